export const interpreterEngine = async (_: string): Promise<never> => { throw new Error("x") }
