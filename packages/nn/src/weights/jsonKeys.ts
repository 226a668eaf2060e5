/**
 * The keys of the outermost object of a valid JSON text, in order and with repetitions, which JSON.parse hides.
 */
export function headerKeys(text: string): Array<string> {
  const keys: Array<string> = []
  let depth = 0
  for (let i = 0; i < text.length; i++) {
    const c = text[i]!
    if (c === "{" || c === "[") depth++
    else if (c === "}" || c === "]") depth--
    else if (c === '"') {
      const end = stringEnd(text, i)
      if (depth === 1 && followedByColon(text, end)) keys.push(JSON.parse(text.slice(i, end)) as string)
      i = end - 1
    }
  }
  return keys
}

/** The index after the closing quote of the string that opens at `start`. */
function stringEnd(text: string, start: number): number {
  let i = start + 1
  while (text[i] !== '"') i += text[i] === "\\" ? 2 : 1
  return i + 1
}

function followedByColon(text: string, index: number): boolean {
  let i = index
  while (/\s/.test(text[i] ?? "")) i++
  return text[i] === ":"
}
