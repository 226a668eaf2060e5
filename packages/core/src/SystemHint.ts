const hints: Readonly<Record<string, string>> = {
  ENOSPC: "the disk is full: free some space (`hone gc` says what can go) and run again",
  EDQUOT: "the quota is used up: free some space (`hone gc` says what can go) and run again",
  EROFS: "the file system is read-only: make it writable, or move the pipeline where it is",
  EACCES: "this user may not write there: mend the permissions of .hone",
  EMFILE: "too many files are open: raise the limit (ulimit -n) and run again",
  ENFILE: "too many files are open on this machine: close some, and run again",
  EXDEV: ".hone spans several file systems: keep it on one"
}

/** How to mend what the system refused, by its code, where a result was to be written. */
export const systemHint = (code: string | undefined): string =>
  hints[code ?? ""] ?? "mend what the message names and run again: finished steps are kept"
