/** Runs programs, and tells what they said when they fail. */

/** Where a program runs, and what it may answer. */
export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Record<string, string>;
}

/** What a program wrote. */
export interface Output {
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `command` to its end; throws all it said when it fails. */
export async function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<Output> {
  const env = { NO_COLOR: "1", ...options.env };
  const { success, code, stdout, stderr } = await new Deno.Command(command, { args: [...args], ...options, env, stdin: "null" }).output();
  const output = { stdout: text(stdout), stderr: text(stderr) };
  if (!success) throw new Error(`${command} ${args.join(" ")} failed with ${code}\n${output.stdout}${output.stderr}`);
  return output;
}

/** The paths of all files below `folder`, relative to it, sorted. */
export async function filesBelow(folder: string, prefix = ""): Promise<string[]> {
  const files: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    if (isDirectory) files.push(...await filesBelow(`${folder}/${name}`, `${prefix}${name}/`));
    else files.push(prefix + name);
  }
  return files.sort();
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
