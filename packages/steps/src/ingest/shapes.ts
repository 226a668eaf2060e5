/** What rows are for. The layout of each is in artifacts/README.md. */
export const tasks = [
  "text-classification",
  "pair-classification",
  "text-regression",
  "multi-label-classification",
  "unlabelled-text",
  "text-to-text",
  "chat"
] as const
export type Task = (typeof tasks)[number]

/** Mapped columns that are a row's input, in the order of the artifact. */
export type InputRole = "text" | "text_a" | "text_b" | "input" | "messages"
export type TargetRole = "label" | "output"
export type Role = InputRole | TargetRole

/** How a label is read: one name, a finite number, a set of names, a text of its own, or not at all. */
export type TargetKind = "name" | "number" | "names" | "text" | "none"

export interface Shape {
  readonly inputs: ReadonlyArray<InputRole>
  readonly target: TargetRole | undefined
  readonly kind: TargetKind
}

export const shapes: Readonly<Record<Task, Shape>> = {
  "text-classification": { inputs: ["text"], target: "label", kind: "name" },
  "pair-classification": { inputs: ["text_a", "text_b"], target: "label", kind: "name" },
  "text-regression": { inputs: ["text"], target: "label", kind: "number" },
  "multi-label-classification": { inputs: ["text"], target: "label", kind: "names" },
  "unlabelled-text": { inputs: ["text"], target: undefined, kind: "none" },
  "text-to-text": { inputs: ["input"], target: "output", kind: "text" },
  chat: { inputs: ["messages"], target: undefined, kind: "none" }
}

export const rolesOf = (task: Task): ReadonlyArray<Role> => {
  const { inputs, target } = shapes[task]
  return target === undefined ? inputs : [...inputs, target]
}

/** Which column of the source a role is: as `columns` has it, else the one of its own name. */
export const columnOf = (
  role: Role,
  columns: Readonly<Partial<Record<Role, string | ReadonlyArray<string>>>> | undefined
): string | ReadonlyArray<string> => columns?.[role] ?? role
