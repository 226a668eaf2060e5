/**
 * Characters that one record may have: 8 Mi. A longer one is a quote that was never closed, or no record at all; and to hold it, with what is
 * made of it, would take more memory than reading may.
 */
export const LONGEST_RECORD = 8 << 20

export const tooLong = (what: string, hint = ""): string => `${what} is longer than 8 Mi characters${hint}`
