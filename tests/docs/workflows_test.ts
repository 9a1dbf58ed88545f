/** The workflows name nothing that does not exist, run the gate, and hold no more rights than they need. */
import { assert, assertEquals } from "@std/assert";

const root = new URL("../../", import.meta.url);
const ci = await Deno.readTextFile(new URL(".github/workflows/ci.yml", root));
const publish = await Deno.readTextFile(new URL(".github/workflows/publish.yml", root));

function commands(workflow: string): string[] {
  return [...workflow.matchAll(/^ +- run: (.*)$/gm)].map(([, command = ""]) => command);
}

Deno.test("every task that a workflow runs is a task of deno.json", async () => {
  const { tasks } = JSON.parse(await Deno.readTextFile(new URL("deno.json", root)));
  const named = [...`${ci}${publish}`.matchAll(/deno task ([\w:-]+)/g)].map(([, task = ""]) => task);
  assert(named.length >= 4, named.join());
  assertEquals(named.filter((task) => !Object.hasOwn(tasks, task)), []);
});

Deno.test("the gate runs on every push and every pull request, from Deno and from npm alone", () => {
  assert(/^on:\n {2}push:\n {4}branches: \["\*\*"\]\n {2}pull_request:\n/m.test(ci), ci);
  assertEquals(commands(ci), ["deno task ok", "deno task test:jsr", "bash .ci/run"]);
});

Deno.test("a tag is published to JSR and to npm behind the gate, by the workflow's own identity, without a secret", () => {
  assert(/^on:\n {2}push:\n {4}tags: \["v\*"\]\n\n/m.test(publish), publish);
  const [isNamed = "", ...rest] = commands(publish);
  assert(isNamed.includes("GITHUB_REF_NAME"), isNamed);
  assertEquals(rest, ["deno task ok", "deno publish", "deno task npm", "npm publish --provenance --access public"]);
  assertEquals(publish.match(/^ {4}needs: gate$/gm)?.length, 2);
  assertEquals(publish.match(/^ {6}id-token: write$/gm)?.length, 2);
  assertEquals(/secrets\.|_TOKEN/.test(publish), false);
});

Deno.test("the workflows may read by default, pin each action to a major version, and run one version of Deno, that of .ci/run", async () => {
  const run = await Deno.readTextFile(new URL(".ci/run", root));
  for (const workflow of [ci, publish]) {
    assert(workflow.includes("\n\npermissions:\n  contents: read\n"), workflow);
    const actions = [...workflow.matchAll(/uses: (.*)$/gm)].map(([, action = ""]) => action);
    assertEquals(actions.filter((action) => !/^(actions\/checkout|actions\/setup-node|denoland\/setup-deno)@v\d+$/.test(action)), []);
    const versions = [...workflow.matchAll(/deno-version: v(.*)$/gm)].map(([, version = ""]) => version);
    assert(versions.every((version) => run.includes(`deno@${version} `)), versions.join());
  }
});
