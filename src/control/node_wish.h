// NodeWish: what an operator wants of a node, as platform writes it and control reads it.
#pragma once

#include <string>
#include <string_view>

#include "core/result.h"

namespace millrace::control {

/// Record "node/<name>". Absent: the node takes work.
inline constexpr std::string_view kNodeWishPrefix = "node/";

struct NodeWish {
  bool cordoned = false;  // takes no new work
  bool drain = false;     // and what runs is asked to leave
  bool is_cordoned() const { return cordoned || drain; }
  bool operator==(const NodeWish&) const = default;
};

/// kCorrupt naming the key that is missing or wrong.
Result<NodeWish> parse_node_wish(std::string_view json);
/// {"cordoned":true,"drain":false}
std::string to_json(const NodeWish& wish);

}  // namespace millrace::control
