const BLOCKS = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"]

/** A bar of at most `width` characters, in eighths; anything above nothing shows. */
export const bar = (share: number, width: number): string => {
  const eighths = Math.max(share > 0 ? 1 : 0, Math.round(share * width * 8))
  return "█".repeat(Math.floor(eighths / 8)) + BLOCKS[eighths % 8]!
}
