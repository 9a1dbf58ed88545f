/** What the thin shells for runtimes with a process share. */

/** Runs every case, with what the process was given, and prints one line of JSON for each. */
export async function runCases<E>(
  cases: readonly { readonly name: string }[],
  run: (name: string, env: E) => Promise<string | undefined>,
): Promise<void> {
  const process: { readonly env: Record<string, string | undefined> } = Reflect.get(globalThis, "process");
  const env: E = JSON.parse(process.env["POSTHORN_ENVIRONMENT"] ?? "");
  for (const { name } of cases) console.log(JSON.stringify({ case: name, fault: await run(name, env) }));
}
