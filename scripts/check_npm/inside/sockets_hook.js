/** Lets Node find a stand-in for the module `cloudflare:sockets`. */
export function resolve(specifier, context, nextResolve) {
  if (specifier !== "cloudflare:sockets") return nextResolve(specifier, context);
  return { url: new URL("./sockets.js", import.meta.url).href, shortCircuit: true };
}
