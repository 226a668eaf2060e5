// How the command and the worker are bundled.
import { join } from "node:path"

// Native code and what must not lie in two copies stays in node_modules; everything else is bundled.
const outside = ["@tensorflow/*", "koffi", "tokenizers", "esbuild", "webgpu"]

// Bundled CommonJS packages call require; under this name it cannot clash with a module that makes its own.
const banner = `import { createRequire as __hone_require } from "node:module"; const require = __hone_require(import.meta.url);`

/**
 * Options of esbuild: `main` is the command line, `worker` the process that runs stages; what they share lies in chunks.
 *
 * @returns {import("esbuild").BuildOptions & { metafile: true }}
 */
export function bundleOptions(root, outdir) {
  const runner = join(root, "packages", "runner")
  return {
    entryPoints: { main: join(runner, "src/main.ts"), worker: join(runner, "src/worker/main.ts") },
    absWorkingDir: root,
    outdir,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node22",
    sourcemap: "linked",
    sourcesContent: false,
    minifyWhitespace: true,
    metafile: true,
    external: outside,
    banner: { js: banner },
    logLevel: "warning",
    // A bare import of a module whose package claims to have no side effects would be dropped in silence.
    logOverride: { "ignored-bare-import": "error" }
  }
}

// The licences of what a page carries along ask for it.
const isc =
  "ISC License: free to use, copy, modify and distribute with this notice; provided as is, without any warranty."
const pageNotice = `/* Observable Plot, (c) Observable, Inc.; D3, (c) Mike Bostock. ${isc} */`

/**
 * Options of esbuild for what runs in a browser: `sweep-page.js` and `sweep-page.css`, which `hone sweep` writes into its pages.
 *
 * @returns {import("esbuild").BuildOptions & { metafile: true }}
 */
export function pageOptions(root, outdir) {
  return {
    entryPoints: { "sweep-page": join(root, "packages/runner/src/sweep/page/main.ts") },
    absWorkingDir: root,
    outdir,
    bundle: true,
    format: "iife",
    platform: "browser",
    target: "es2022",
    minify: true,
    metafile: true,
    charset: "utf8",
    legalComments: "none",
    banner: { js: pageNotice },
    logLevel: "warning"
  }
}
