/** Computations that are under way outside of the program's own thread: as long as there are any, a session that stands still does not hang. */
export const computing = { underWay: 0 };
