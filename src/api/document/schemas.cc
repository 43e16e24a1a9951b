#include "api/document/schema.h"

#include <string>

#include "embed/schema_files.h"

namespace millrace::api {

// Integers stay below 2^53, so that every JSON reader keeps them exact. "TenantPage" and its like are lists: `next` is
// the value of `after` for the following page, null at the end.
std::string_view api_schemas() {
  // Each file is one object; together they are one, whose members are those of all.
  static const std::string kWhole = [] {
    std::string whole;
    for (const auto& file : schema_files()) {
      const std::string_view text = file.bytes;
      const auto members = text.substr(0, text.rfind('}')).substr(text.find('{') + 1);
      whole.append(whole.empty() ? "{" : ",").append(members);
    }
    return whole + "}";
  }();
  return kWhole;
}

}  // namespace millrace::api
