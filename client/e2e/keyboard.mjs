// What people do, done without a pointer. The first start and the way out and in stand in keys/account.mjs, and are gone by run.mjs.
import { appearance } from "./keys/account.mjs";
import { channelByKeys, deliveriesByKeys, incidentByKeys, rulesByKeys } from "./keys/alerts.mjs";
import { chartsByKeys, listByKeys } from "./keys/list.mjs";
import { deletesByKeys, imports, monitorByKeys } from "./keys/monitors.mjs";
import { apiKeysByKeys, auditByKeys, membersByKeys } from "./keys/people.mjs";
import { groupByKeys, regionsByKeys, windowsByKeys } from "./keys/rooms.mjs";

/** All that an owner does, by keys. gonePort answers nobody. */
export async function byKeyboardAlone(page, url, gonePort) {
  await appearance(page);
  await membersByKeys(page);
  await apiKeysByKeys(page);
  await auditByKeys(page, url);
  await imports(page);
  await channelByKeys(page, gonePort);
  await monitorByKeys(page, url, gonePort);
  await deliveriesByKeys(page, url);
  await rulesByKeys(page, url);
  await incidentByKeys(page);
  await groupByKeys(page);
  await windowsByKeys(page);
  await listByKeys(page, url, gonePort);
  await regionsByKeys(page, url);
  await chartsByKeys(page, url, "Database");
  await deletesByKeys(page);
}
