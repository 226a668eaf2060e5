/** The columns that a reader of rows may hang on alone, by the name of the view. */
const parts = {
  /** What a model reads: frozen features hang on nothing else. */
  inputs: ["row_id", "input_ids", "token_type_ids"],
  /** What stands in the data: a bag of words hangs on it, and not on how it was tokenized. */
  examples: ["row_id", "text", "text_a", "text_b", "label"]
} as const

/** The views of a table with these columns: each over what is there of its part. `inputs` only where there are tokens. */
export const viewsOf = (columns: ReadonlyArray<string>): Readonly<Record<string, ReadonlyArray<string>>> => {
  const present = (part: keyof typeof parts) => parts[part].filter((name) => columns.includes(name))
  return {
    examples: present("examples"),
    ...(columns.includes("input_ids") ? { inputs: present("inputs") } : {})
  }
}
