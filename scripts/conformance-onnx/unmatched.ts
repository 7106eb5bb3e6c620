// Tests of the standard's data that no engine can match, each with the reason.

export const UNMATCHED: Readonly<Record<string, string>> = {};
