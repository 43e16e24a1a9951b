#include "host/json_tree.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "host/json_grammar.h"

namespace millrace::host {
namespace {

using Kind = JsonNode::Kind;

/// An integer of fewer digits is within the range of a double (1.8e308).
constexpr std::size_t kSafeDigits = 300;
constexpr std::size_t kBytesPerValue = 10;  // usual for an engine's answer; only for the first reservation
constexpr std::size_t kFirstCells = 256;

}  // namespace

class JsonTree::Builder {
 public:
  enum class Keep : std::uint8_t { kAll, kSource, kNothing };
  struct Place {
    std::string_view key;
    Keep keep = Keep::kAll;
  };
  struct Container {
    std::uint32_t cell = 0;
    Keep keep = Keep::kAll;  // of the container itself; what is inside is kept with kAll only
  };

  Builder(JsonTree& tree, std::string_view text, const Options& options)
      : cells_(tree.cells_), decoded_(tree.decoded_), text_(text), options_(options) {
    cells_.reserve(std::min(text.size() / kBytesPerValue + 4, kFirstCells));
  }

  bool too_many() const { return too_many_; }

  Container begin_object(const Place& to) { return begin(to, Kind::kObject); }
  Container begin_array(const Place& to) { return begin(to, Kind::kArray); }
  void end(const Container& of, std::string_view text) {
    if (of.keep == Keep::kNothing) return;
    cells_[of.cell].text = text;
    cells_[of.cell].next = static_cast<std::uint32_t>(cells_.size());
  }

  Place member(const Container& of, std::string_view key, bool lasting, bool& /*doubled*/) {
    if (of.keep != Keep::kAll) return {{}, Keep::kNothing};
    const bool unread = std::ranges::find(options_.unread, key) != options_.unread.end();
    return {lasting ? key : keep(key), unread ? Keep::kSource : Keep::kAll};
  }
  static Place item(const Container& of) { return {{}, of.keep == Keep::kAll ? Keep::kAll : Keep::kNothing}; }

  void string(const Place& to, std::string_view text, bool lasting) {
    if (to.keep != Keep::kNothing) add(to, Kind::kString, lasting ? text : keep(text));
  }
  void word(const Place& to, JsonWord word) {
    constexpr std::string_view kTexts[] = {"null", "false", "true"};
    constexpr Kind kKinds[] = {Kind::kNull, Kind::kFalse, Kind::kTrue};
    const auto at = static_cast<std::size_t>(word);
    add(to, kKinds[at], kTexts[at]);
  }
  bool number(const Place& to, std::string_view text, bool integral) {
    double value = 0;
    if (!(integral && text.size() < kSafeDigits) && !read_json_double(text, value)) return false;
    add(to, Kind::kNumber, text);
    return true;
  }

 private:
  Container begin(const Place& to, Kind kind) {
    const auto cell = static_cast<std::uint32_t>(cells_.size());
    const bool added = add(to, kind, {});
    return {cell, added ? to.keep : Keep::kNothing};
  }

  bool add(const Place& to, Kind kind, std::string_view text) {
    if (to.keep == Keep::kNothing) return false;
    if (cells_.size() == options_.max_values) {
      too_many_ = true;  // the rest is read and dropped
      return false;
    }
    cells_.push_back({to.key, text, static_cast<std::uint32_t>(cells_.size() + 1), kind});
    return true;
  }

  /// No string is longer than its escaped form, so all of them fit into the length of the text, and none moves.
  std::string_view keep(std::string_view text) {
    if (decoded_ == nullptr) decoded_ = std::make_unique_for_overwrite<char[]>(text_.size());
    char* to = decoded_.get() + decoded_size_;
    std::memcpy(to, text.data(), text.size());
    decoded_size_ += text.size();
    return {to, text.size()};
  }

  std::vector<Cell>& cells_;
  std::unique_ptr<char[]>& decoded_;
  const std::string_view text_;
  const Options& options_;
  std::size_t decoded_size_ = 0;
  bool too_many_ = false;
};

Result<JsonTree> JsonTree::parse(std::string_view text, const Options& options) {
  const JsonLimits limits{.max_depth = options.max_depth, .refuse_doubled_keys = false};
  JsonTree tree;
  Builder builder(tree, text, options);
  TRY_VOID(JsonGrammar(text, limits, builder).read({}));
  if (builder.too_many()) {
    return failure(ErrorCode::kExhausted, fmt::format("JSON: more than {} values", options.max_values));
  }
  return tree;
}

JsonNode::Kind JsonNode::kind() const { return tree_ == nullptr ? Kind::kAbsent : tree_->cells_[at_].kind; }

JsonNode JsonNode::first() const {
  if (kind() < Kind::kArray) return {};
  const std::uint32_t end = tree_->cells_[at_].next;
  return at_ + 1 == end ? JsonNode() : JsonNode(tree_, at_ + 1, end);
}

JsonNode JsonNode::next() const {
  if (tree_ == nullptr) return {};
  const std::uint32_t next = tree_->cells_[at_].next;
  return next >= end_ ? JsonNode() : JsonNode(tree_, next, end_);
}

JsonNode JsonNode::operator[](std::string_view key) const {
  if (!is_object()) return {};
  JsonNode found;
  const std::vector<JsonTree::Cell>& cells = tree_->cells_;
  const std::uint32_t end = cells[at_].next;
  for (std::uint32_t at = at_ + 1; at < end; at = cells[at].next) {
    if (cells[at].key == key) found = JsonNode(tree_, at, end);
  }
  return found;
}

std::size_t JsonNode::size() const {
  std::size_t count = 0;
  for (JsonNode item = first(); item; item = item.next()) ++count;
  return count;
}

std::string_view JsonNode::key() const {
  return tree_ == nullptr ? std::string_view("") : tree_->cells_[at_].key;
}

std::string_view JsonNode::text() const {
  return is_string() ? tree_->cells_[at_].text : std::string_view("");
}

std::string_view JsonNode::source() const {
  return tree_ == nullptr ? std::string_view("") : tree_->cells_[at_].text;
}

std::optional<std::int64_t> JsonNode::count() const {
  constexpr std::int64_t kMax = std::int64_t{1} << 53;
  if (kind() != Kind::kNumber) return std::nullopt;
  const std::string_view text = tree_->cells_[at_].text;
  std::int64_t value = -1;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc{} || end != text.data() + text.size()) {
    double number = -1;
    if (!read_json_double(text, number) || !(number >= 0 && number <= double(kMax))) return std::nullopt;
    value = static_cast<std::int64_t>(number);
  }
  if (value < 0 || value > kMax) return std::nullopt;
  return value;
}

}  // namespace millrace::host
