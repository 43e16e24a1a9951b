#include "identity/policy.h"

#include <fmt/format.h>

#include <algorithm>

#include "host/json.h"
#include "identity/policy_fields.h"

namespace millrace::identity {
namespace {

constexpr std::size_t kMaxChangeBytes = 256u << 20;  // a full policy of half a million keys

constexpr std::string_view kRoleNames[] = {"platform-admin", "operator",  "auditor",
                                           "tenant-admin",   "developer", "viewer"};

Result<PolicyChange> read_change(std::string_view line) {
  const auto value = TRY(host::parse_json(line, {.max_depth = 16, .max_bytes = kMaxChangeBytes}));
  const auto object = TRY(host::JsonObject::of(value));
  TRY_VOID(object.check_no_unknown({"version", "full", "set", "del"}));
  PolicyChange change;
  change.version = TRY(object.required_int("version"));
  if (change.version < 0) return failure(ErrorCode::kCorrupt, "version: is negative");
  change.full = TRY(object.required_bool("full"));
  const auto set = TRY(object.required_object("set"));
  for (const auto& [name, record] : set.object()) {
    if (!record.is_object()) return failure(ErrorCode::kCorrupt, fmt::format("set.{}: want an object", name));
    change.set.emplace(name, host::JsonWriter().value(record).take());
  }
  const boost::json::array& del = *TRY(object.required_array("del"));
  for (const auto& name : del) {
    if (!name.is_string()) return failure(ErrorCode::kCorrupt, "del: want strings only");
    change.del.emplace_back(name.get_string());
  }
  return change;
}

}  // namespace

std::string_view name_of(Role role) {
  const auto index = static_cast<std::size_t>(role);
  return index < std::size(kRoleNames) ? kRoleNames[index] : "unknown";
}

Result<Role> parse_role(std::string_view text) {
  const auto found = std::ranges::find(kRoleNames, text);
  if (found == std::end(kRoleNames)) {
    return failure(ErrorCode::kInvalidArgument, fmt::format("'{}' is not a role; the roles are {}",
                                                            text.substr(0, 64), fmt::join(kRoleNames, ", ")));
  }
  return static_cast<Role>(found - std::begin(kRoleNames));
}

std::string encode(const PolicyChange& change) {
  host::JsonWriter out;
  out.begin_object().field("version", change.version).field("full", change.full).key("set").begin_object();
  for (const auto& [name, record] : change.set) out.key(name).raw(record);
  out.end_object().key("del").begin_array();
  for (const std::string& name : change.del) out.value(name);
  out.end_array().end_object();
  return out.take();
}

Result<PolicyChange> decode_change(std::string_view line) {
  return as_corrupt("policy change", read_change(line));
}

}  // namespace millrace::identity
