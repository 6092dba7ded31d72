import { assertEquals } from "@std/assert";
import { defaultRoot } from "../../../lib/store/directory.ts";
import { openStoreAsIs } from "../../../lib/store/open.ts";

Deno.test("the default root has one history, whether it is named or not", () => {
  const { history } = openStoreAsIs();
  assertEquals(openStoreAsIs(defaultRoot()).history.root, history.root);
  assertEquals(openStoreAsIs(`${defaultRoot()}/`).history.root, history.root);
  assertEquals(openStoreAsIs("/nowhere/at-all").history.root, "/nowhere/at-all/history");
});
