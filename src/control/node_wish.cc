#include "control/node_wish.h"

#include "host/json.h"

namespace millrace::control {
namespace {

Result<NodeWish> read(std::string_view json) {
  const auto value = TRY(host::parse_json(json, {.max_depth = 2, .max_bytes = 4096}));
  const auto in = TRY(host::JsonObject::of(value));
  return NodeWish{.cordoned = TRY(in.required_bool("cordoned")), .drain = TRY(in.required_bool("drain"))};
}

}  // namespace

Result<NodeWish> parse_node_wish(std::string_view json) {
  auto wish = read(json);
  if (!wish) return failure(ErrorCode::kCorrupt, "node wish record: " + wish.error().message);
  return wish;
}

std::string to_json(const NodeWish& wish) {
  host::JsonWriter out;
  out.begin_object().field("cordoned", wish.cordoned).field("drain", wish.drain).end_object();
  return out.take();
}

}  // namespace millrace::control
