// Reads any bytes; what is accepted must survive writing and reading again, and the tree for readers of a few members
// must accept the same.
#include <algorithm>
#include <array>
#include <cstdlib>
#include <string_view>

#include "host/json.h"
#include "host/json_tree.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using millrace::host::JsonTree;
  using millrace::host::JsonWriter;
  using millrace::host::parse_json;
  const std::string_view text(reinterpret_cast<const char*>(data), std::min<std::size_t>(size, 1 << 16));
  constexpr std::array<std::string_view, 1> kUnread = {"a"};
  const auto loose = parse_json(text, {.max_depth = 32, .refuse_doubled_keys = false});
  const auto tree = JsonTree::parse(text, {.max_depth = 32});
  const auto part = JsonTree::parse(text, {.max_depth = 32, .unread = kUnread});
  if (tree.has_value() != loose.has_value() || part.has_value() != loose.has_value()) std::abort();
  if (tree && tree->root()["a"].source() != part->root()["a"].source()) std::abort();
  const auto value = parse_json(text, {.max_depth = 32});
  if (!value) return 0;
  JsonWriter out;
  out.value(*value);
  const auto again = parse_json(out.text());
  if (!again || *again != *value) std::abort();
  return 0;
}
