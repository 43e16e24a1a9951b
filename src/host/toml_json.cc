// JSON read into the form that TOML is read into, with the line of each value.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "host/json_tree.h"
#include "host/toml.h"
#include "host/toml_node.h"

namespace millrace::host {
namespace {

constexpr std::size_t kMostValues = 200'000;

/// Finds lines of a text, asked in the order of the text.
class Lines {
 public:
  explicit Lines(std::string_view text) : text_(text) {}

  /// The line where the first of the two that is a part of the text begins; else the one told last.
  std::int64_t of(std::string_view first, std::string_view second) {
    if (!go_to(first)) (void)go_to(second);
    return line_;
  }

 private:
  bool go_to(std::string_view piece) {
    const std::less<const char*> before;
    const char* end = text_.data() + text_.size();
    if (piece.empty() || before(piece.data(), text_.data() + at_) || before(end, piece.data())) return false;
    const auto to = static_cast<std::size_t>(piece.data() - text_.data());
    line_ += std::ranges::count(text_.substr(at_, to - at_), '\n');
    at_ = to;
    return true;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::int64_t line_ = 1;
};

class Converter {
 public:
  Converter(std::string_view text, const std::string& file) : lines_(text), file_(file) {}

  Result<std::unique_ptr<TomlNode>> convert(JsonNode from) {
    auto node = std::make_unique<TomlNode>();
    node->line = lines_.of(from.key(), from.source());
    switch (from.kind()) {
      case JsonNode::Kind::kString:
        node->value = std::string(from.text());
        break;
      case JsonNode::Kind::kNumber:
        set_number(*node, from.source());
        break;
      case JsonNode::Kind::kFalse:
      case JsonNode::Kind::kTrue:
        node->value = from.kind() == JsonNode::Kind::kTrue;
        break;
      case JsonNode::Kind::kObject:
        node->value = TRY(members_of(from));
        break;
      case JsonNode::Kind::kArray: {
        TomlNode::Elements elements;
        for (JsonNode item = from.first(); item; item = item.next()) elements.push_back(TRY(convert(item)));
        node->value = std::move(elements);
        break;
      }
      case JsonNode::Kind::kNull:
      case JsonNode::Kind::kAbsent:
        break;
    }
    return node;
  }

  Result<TomlNode::Members> members_of(JsonNode from) {
    TomlNode::Members members;
    std::set<std::string_view> seen;
    for (JsonNode member = from.first(); member; member = member.next()) {
      auto node = TRY(convert(member));
      if (!seen.insert(member.key()).second) {
        return failure(ErrorCode::kInvalidArgument,
                       fmt::format("{}:{}: {}: stands twice", file_, node->line, member.key()));
      }
      members.push_back({std::string(member.key()), std::move(node)});
    }
    return members;
  }

 private:
  static void set_number(TomlNode& node, std::string_view text) {
    const char* end = text.data() + text.size();
    std::int64_t whole = 0;
    if (const auto [at, fault] = std::from_chars(text.data(), end, whole);
        fault == std::errc() && at == end) {
      node.value = whole;
      return;
    }
    double real = 0;
    if (std::from_chars(text.data(), end, real).ec == std::errc()) node.value = real;
  }

  Lines lines_;
  const std::string& file_;
};

/// "JSON: ... at byte 7" with the line of that byte before it, as for every other fault.
Error with_line(const Error& error, std::string_view text, const std::string& file) {
  const std::string_view message = error.message;
  std::size_t offset = 0;
  constexpr std::string_view kBefore = "at byte ";
  if (const auto at = message.rfind(kBefore); at != std::string_view::npos) {
    std::from_chars(message.data() + at + kBefore.size(), message.data() + message.size(), offset);
  }
  const auto lines = std::ranges::count(text.substr(0, std::min(offset, text.size())), '\n');
  return {error.code, fmt::format("{}:{}: {}", file, lines + 1, message)};
}

}  // namespace

Result<std::unique_ptr<TomlDocument>> TomlDocument::parse_json(std::string_view text, std::string file) {
  const auto tree = JsonTree::parse(text, {.max_depth = 32, .max_values = kMostValues});
  if (!tree) return std::unexpected(with_line(tree.error(), text, file));
  if (!tree->root().is_object()) {
    return failure(ErrorCode::kInvalidArgument, fmt::format("{}:1: want a JSON object", file));
  }
  std::unique_ptr<TomlDocument> document(new TomlDocument(std::move(file)));
  document->top_ = std::make_unique<TomlNode>();
  document->top_->line = 1;
  document->top_->value = TRY(Converter(text, document->file_).members_of(tree->root()));
  return document;
}

}  // namespace millrace::host
