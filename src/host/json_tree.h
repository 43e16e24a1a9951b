// JsonTree: a JSON text read into one array, for a reader that looks at some of its members once.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "core/result.h"

namespace millrace::host {

class JsonTree;

/// One value of a tree, or none: what is absent or of another type answers as nothing does, so look-ups can be chained:
/// answer["usage"]["prompt_tokens"].count(). Good as long as the tree, which is not to be moved while nodes are in use.
class JsonNode {
 public:
  enum class Kind : std::uint8_t { kAbsent, kNull, kFalse, kTrue, kNumber, kString, kArray, kObject };

  JsonNode() = default;
  Kind kind() const;
  explicit operator bool() const { return kind() != Kind::kAbsent; }
  bool is_string() const { return kind() == Kind::kString; }
  bool is_array() const { return kind() == Kind::kArray; }
  bool is_object() const { return kind() == Kind::kObject; }
  /// Absent or null.
  bool is_nothing() const { return kind() <= Kind::kNull; }

  /// The member of that name, the last of them if there are several.
  JsonNode operator[](std::string_view key) const;
  /// The first item or member's value.
  JsonNode first() const;
  /// What follows in the same array or object; absent after the last. Only for nodes that first() and next() gave.
  JsonNode next() const;
  /// Items or members.
  std::size_t size() const;

  /// The name of a member; "" of any other value.
  std::string_view key() const;
  /// "" if it is no string.
  std::string_view text() const;
  /// A number without fraction from 0 to 2^53.
  std::optional<std::int64_t> count() const;
  /// The value as it stands in the text; of a string, what it means.
  std::string_view source() const;

 private:
  friend class JsonTree;
  JsonNode(const JsonTree* tree, std::uint32_t at, std::uint32_t end) : tree_(tree), at_(at), end_(end) {}
  const JsonTree* tree_ = nullptr;
  std::uint32_t at_ = 0;
  std::uint32_t end_ = 0;  // where its siblings end
};

class JsonTree {
 public:
  struct Options {
    std::size_t max_depth = 64;
    std::size_t max_values = 1u << 20;  // 40 bytes each
    /// Members whose values are checked and kept as source() only: nothing inside them can be found.
    std::span<const std::string_view> unread{};
  };

  /// As parse_json reads, but that a key may be there twice. The tree points into `text`, which must outlive it.
  /// kInvalidArgument naming the byte offset; kExhausted if there are too many values.
  static Result<JsonTree> parse(std::string_view text, const Options& options);

  JsonNode root() const { return {this, 0, static_cast<std::uint32_t>(cells_.size())}; }

 private:
  friend class JsonNode;
  class Builder;
  struct Cell {
    std::string_view key;    // of a member
    std::string_view text;   // JsonNode::source
    std::uint32_t next = 0;  // the cell after this value and all inside it
    JsonNode::Kind kind = JsonNode::Kind::kNull;
  };

  JsonTree() = default;
  std::vector<Cell> cells_;
  std::unique_ptr<char[]> decoded_;  // strings that were escaped
};

}  // namespace millrace::host
