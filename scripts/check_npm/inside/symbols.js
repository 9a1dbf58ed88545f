/**
 * `node symbols.js SUBPATH...`: what the package's declarations export, as JSON: for each subpath the symbols, and for each whether it is documented
 * and which documented members it has.
 */
import process from "node:process";
import { resolve } from "node:path";
import ts from "typescript";

const subpaths = process.argv.slice(2);
const options = {
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  lib: ["lib.esnext.d.ts", "lib.dom.d.ts"],
  types: [],
};
const importer = resolve("importer.ts");
/** Where TypeScript itself finds the declarations of a subpath. */
const fileOf = (subpath) => {
  const { resolvedModule } = ts.resolveModuleName(
    `@posthorn/smtp${subpath.slice(1)}`,
    importer,
    options,
    ts.sys,
    undefined,
    undefined,
    ts.ModuleKind.ESNext,
  );
  if (resolvedModule === undefined) throw new Error(`TypeScript finds no declarations for ${subpath}`);
  return resolvedModule.resolvedFileName;
};
const program = ts.createProgram(subpaths.map(fileOf), options);
const checker = program.getTypeChecker();

const isDocumented = (symbol) => symbol.getDocumentationComment(checker).length > 0;
const describe = (exported) => {
  const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported;
  const members = [...symbol.members?.values() ?? [], ...symbol.exports?.values() ?? []].filter(isDocumented).map(({ name }) => name).sort();
  return [exported.name, { isDocumented: isDocumented(symbol), members }];
};
const result = subpaths.map((subpath) => {
  const module = checker.getSymbolAtLocation(program.getSourceFile(fileOf(subpath)));
  return [subpath, Object.fromEntries(checker.getExportsOfModule(module).map(describe))];
});
console.log(JSON.stringify(Object.fromEntries(result)));
