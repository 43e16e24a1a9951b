#include "api/schema.h"
#include "embed/schema_files.h"

namespace millrace::api {

// Integers stay below 2^53, so that every JSON reader keeps them exact. "TenantPage" and its like are lists: `next` is
// the value of `after` for the following page, null at the end.
std::string_view api_schemas() { return schema_files().front().bytes; }

}  // namespace millrace::api
