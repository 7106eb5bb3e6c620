// Which build of brisc this is. Code kept from another build is not used: what a kernel compiles to is the compiler's
// business, which changes from one to the next.

/** Put in by the bundler: a hash of the sources. */
declare const BRISC_BUILD: string | undefined;

/** Undefined where brisc runs from its sources, which may change between two runs. */
export const BUILD_ID: string | undefined = typeof BRISC_BUILD === "string" ? BRISC_BUILD : undefined;
