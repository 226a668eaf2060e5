/** Metrics that are one number. Apart from how they are computed: planning reads the names and must load nothing else. */
export const scalarNames = ["accuracy", "f1_macro", "f1_micro", "f1_weighted", "mcc", "log_loss", "ece"] as const
export type ScalarName = (typeof scalarNames)[number]
