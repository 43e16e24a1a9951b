#include "host/toml.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <variant>

#include "host/toml_library.h"
#include "host/toml_node.h"

namespace millrace::host {

namespace {

constexpr int kDepthMax = 32;
constexpr std::size_t kNearestMax = 3;    // edits between a key and the one that may be meant
constexpr std::size_t kKeyBytesMax = 40;  // longer ones are compared with nothing

std::string text_of(const toml::date_time& time) {
  std::string text =
      fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}", time.date.year, time.date.month, time.date.day,
                  time.time.hour, time.time.minute, time.time.second, time.time.nanosecond);
  if (!time.offset) return text + "Z";
  const int minutes = time.offset->minutes;
  return text + fmt::format("{}{:02}:{:02}", minutes < 0 ? '-' : '+', std::abs(minutes) / 60,
                            std::abs(minutes) % 60);
}

std::unique_ptr<TomlNode> convert(const toml::node& from, int depth);

TomlNode::Members convert_members(const toml::table& table, int depth) {
  TomlNode::Members members;
  for (const auto& [key, node] : table) members.push_back({std::string(key.str()), convert(node, depth + 1)});
  std::ranges::sort(members, {}, [](const auto& member) {
    return std::pair(member.node->line, std::string_view(member.key));
  });
  return members;
}

std::unique_ptr<TomlNode> convert(const toml::node& from, int depth) {
  auto node = std::make_unique<TomlNode>();
  node->line = from.source().begin.line;
  if (const auto* text = from.as_string()) {
    node->value = text->get();
  } else if (const auto* whole = from.as_integer()) {
    node->value = whole->get();
  } else if (const auto* real = from.as_floating_point()) {
    node->value = real->get();
  } else if (const auto* truth = from.as_boolean()) {
    node->value = truth->get();
  } else if (const auto* moment = from.as_date_time()) {
    if (auto time = parse_rfc3339(text_of(moment->get()))) node->value = *time;
  } else if (const auto* day = from.as_date()) {
    const auto& date = day->get();
    if (auto time = parse_rfc3339(fmt::format("{:04}-{:02}-{:02}", date.year, date.month, date.day))) {
      node->value = *time;
    }
  } else if (const auto* table = from.as_table(); table != nullptr && depth < kDepthMax) {
    node->value = convert_members(*table, depth);
  } else if (const auto* array = from.as_array(); array != nullptr && depth < kDepthMax) {
    TomlNode::Elements elements;
    for (const auto& element : *array) elements.push_back(convert(element, depth + 1));
    node->value = std::move(elements);
  }
  return node;
}

Error error_at(const std::string& file, std::int64_t line, std::string_view key, std::string_view message) {
  return Error{ErrorCode::kInvalidArgument, fmt::format("{}:{}: {}: {}", file, line, key, message)};
}

/// Insertions, removals, replacements and swaps of neighbours that make `a` to `b`.
std::size_t edits_between(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> costs(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) {
    for (std::size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        costs[i][j] = i + j;
        continue;
      }
      costs[i][j] = std::min(
          {costs[i - 1][j] + 1, costs[i][j - 1] + 1, costs[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) costs[i][j] = std::min(costs[i][j], costs[i - 2][j - 2] + 1);
    }
  }
  return costs[a.size()][b.size()];
}

/// "; did you mean 'x'?" for the nearest of the keys that a reader asked for in the same table; "" if none is near.
std::string nearest_of(const std::string& name, const std::set<std::string>& asked) {
  const std::string table = name.substr(0, name.rfind('.') + 1);
  std::string best;
  std::size_t least = std::min(kNearestMax, (name.size() - table.size() + 1) / 3) + 1;
  for (auto it = asked.lower_bound(table); it != asked.end() && it->starts_with(table); ++it) {
    if (it->find('.', table.size()) != std::string::npos) continue;
    if (it->size() > kKeyBytesMax || name.size() > kKeyBytesMax) continue;
    const std::size_t edits = edits_between(name.substr(table.size()), it->substr(table.size()));
    if (edits >= least) continue;
    least = edits;
    best = it->substr(table.size());
  }
  return best.empty() ? best : fmt::format("; did you mean '{}'?", best);
}

}  // namespace

TomlDocument::TomlDocument(std::string file) : file_(std::move(file)) {}
TomlDocument::~TomlDocument() = default;

Result<std::unique_ptr<TomlDocument>> TomlDocument::parse(std::string_view text, std::string file) {
  const toml::parse_result parsed = toml::parse(text, file);
  if (!parsed) {
    const auto& problem = parsed.error();
    return failure(ErrorCode::kInvalidArgument, fmt::format("{}:{}: {}", file, problem.source().begin.line,
                                                            std::string_view(problem.description())));
  }
  std::unique_ptr<TomlDocument> document(new TomlDocument(std::move(file)));
  document->top_ = std::make_unique<TomlNode>();
  document->top_->line = 1;
  document->top_->value = convert_members(parsed.table(), 0);
  return document;
}

TomlTable TomlDocument::root() { return {*this, top_.get(), ""}; }

void TomlDocument::fail(std::int64_t line, std::string_view key, std::string_view message) {
  if (!fault_) fault_ = error_at(file_, line, key, message);
}

std::optional<Error> TomlDocument::find_unread(const TomlNode& node, const std::string& path) const {
  if (const auto* members = std::get_if<TomlNode::Members>(&node.value)) {
    if (fault_ && !node.visited) return std::nullopt;
    for (const auto& [key, member] : *members) {
      const auto name = path.empty() ? key : fmt::format("{}.{}", path, key);
      if (!member->asked) {
        return error_at(file_, member->line, name, "there is no such key" + nearest_of(name, asked_));
      }
      if (auto found = find_unread(*member, name)) return found;
    }
  } else if (const auto* elements = std::get_if<TomlNode::Elements>(&node.value)) {
    for (const auto& element : *elements) {
      if (auto found = find_unread(*element, path)) return found;
    }
  }
  return std::nullopt;
}

Result<void> TomlDocument::finish() {
  if (auto unread = find_unread(*top_, "")) fault_ = std::move(unread);
  if (fault_) return std::unexpected(*fault_);
  return {};
}

std::string TomlTable::path_of(std::string_view key) const {
  return path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key);
}

TomlNode* TomlTable::find(std::string_view key) {
  document_->asked_.insert(path_of(key));
  if (node_ == nullptr) return nullptr;
  node_->visited = true;
  for (auto& member : std::get<TomlNode::Members>(node_->value)) {
    if (member.key == key) {
      member.node->asked = true;
      return member.node.get();
    }
  }
  return nullptr;
}

bool TomlTable::has(std::string_view key) const {
  if (node_ == nullptr) return false;
  const auto& members = std::get<TomlNode::Members>(node_->value);
  return std::ranges::find(members, key, &TomlNode::Member::key) != members.end();
}

bool TomlDocument::is_json(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r\n");
  return first != std::string_view::npos && text[first] == '{';
}

std::optional<std::int64_t> TomlTable::line_of(std::string_view key) const {
  if (!has(key)) return std::nullopt;
  const auto& members = std::get<TomlNode::Members>(node_->value);
  return std::ranges::find(members, key, &TomlNode::Member::key)->node->line;
}

std::int64_t TomlTable::line() const { return node_ == nullptr ? 1 : node_->line; }

void TomlTable::fail(std::string_view key, std::string_view message) {
  const auto* node = has(key) ? find(key) : node_;
  document_->fail(node == nullptr ? 1 : node->line, path_of(key), message);
}

void TomlTable::wrong(const TomlNode& node, std::string_view key, std::string_view wanted) {
  document_->fail(node.line, path_of(key), fmt::format("want {}", wanted));
}

std::string TomlTable::text(std::string_view key) {
  if (!has(key)) fail(key, "is missing: want a string in quotes");
  return text(key, "");
}

std::string TomlTable::text(std::string_view key, std::string_view fallback) {
  const auto* node = find(key);
  if (node == nullptr) return std::string(fallback);
  if (const auto* found = std::get_if<std::string>(&node->value)) return *found;
  wrong(*node, key, "a string in quotes");
  return std::string(fallback);
}

std::int64_t TomlTable::integer(std::string_view key, std::int64_t least, std::int64_t most) {
  if (!has(key)) fail(key, fmt::format("is missing: want an integer in {} to {}", least, most));
  return integer(key, least, most, least);
}

std::int64_t TomlTable::integer(std::string_view key, std::int64_t least, std::int64_t most,
                                std::int64_t fallback) {
  const auto* node = find(key);
  if (node == nullptr) return fallback;
  const auto* found = std::get_if<std::int64_t>(&node->value);
  if (found == nullptr) {
    wrong(*node, key, "an integer");
    return fallback;
  }
  if (*found >= least && *found <= most) return *found;
  document_->fail(node->line, path_of(key), fmt::format("{} is not in {} to {}", *found, least, most));
  return fallback;
}

double TomlTable::number(std::string_view key, double least, double most) {
  if (!has(key)) fail(key, fmt::format("is missing: want a number in {} to {}", least, most));
  return maybe_number(key, least, most).value_or(least);
}

double TomlTable::number(std::string_view key, double least, double most, double fallback) {
  return maybe_number(key, least, most).value_or(fallback);
}

std::optional<double> TomlTable::maybe_number(std::string_view key, double least, double most) {
  const auto* node = find(key);
  if (node == nullptr) return std::nullopt;
  double found = 0;
  if (const auto* real = std::get_if<double>(&node->value)) {
    found = *real;
  } else if (const auto* whole = std::get_if<std::int64_t>(&node->value)) {
    found = static_cast<double>(*whole);
  } else {
    wrong(*node, key, "a number");
    return std::nullopt;
  }
  if (found >= least && found <= most) return found;
  document_->fail(node->line, path_of(key), fmt::format("{} is not in {} to {}", found, least, most));
  return std::nullopt;
}

bool TomlTable::truth(std::string_view key, bool fallback) {
  const auto* node = find(key);
  if (node == nullptr) return fallback;
  if (const auto* found = std::get_if<bool>(&node->value)) return *found;
  wrong(*node, key, "true or false");
  return fallback;
}

std::optional<TimePoint> TomlTable::maybe_time(std::string_view key) {
  const auto* node = find(key);
  if (node == nullptr) return std::nullopt;
  if (const auto* found = std::get_if<TimePoint>(&node->value)) return *found;
  if (const auto* text = std::get_if<std::string>(&node->value)) {
    if (const auto time = parse_rfc3339(*text)) return *time;
  }
  wrong(*node, key, "a date (2026-01-31) or a time (2026-01-31T12:00:00Z)");
  return std::nullopt;
}

std::vector<std::string> TomlTable::texts(std::string_view key) {
  const auto* node = find(key);
  if (node == nullptr) return {};
  std::vector<std::string> found;
  if (const auto* elements = std::get_if<TomlNode::Elements>(&node->value)) {
    for (const auto& element : *elements) {
      if (const auto* text = std::get_if<std::string>(&element->value)) found.push_back(*text);
    }
    if (found.size() == elements->size()) return found;
  }
  wrong(*node, key, "an array of strings");
  return {};
}

std::vector<std::string> TomlTable::text_or_texts(std::string_view key) {
  const auto* node = find(key);
  if (node == nullptr) return {};
  if (const auto* one = std::get_if<std::string>(&node->value)) return {*one};
  return texts(key);
}

std::vector<double> TomlTable::numbers(std::string_view key, double least, double most) {
  const auto* node = find(key);
  if (node == nullptr) return {};
  const auto* elements = std::get_if<TomlNode::Elements>(&node->value);
  if (elements == nullptr) {
    wrong(*node, key, "an array of numbers");
    return {};
  }
  std::vector<double> found;
  for (const auto& element : *elements) {
    const auto* real = std::get_if<double>(&element->value);
    const auto* whole = std::get_if<std::int64_t>(&element->value);
    const double value = real != nullptr    ? *real
                         : whole != nullptr ? static_cast<double>(*whole)
                                            : std::nan("");
    if (!(value >= least && value <= most)) {
      wrong(*element, key, fmt::format("numbers in {} to {}", least, most));
      return {};
    }
    found.push_back(value);
  }
  return found;
}

std::optional<TomlScalar> TomlTable::maybe_scalar(std::string_view key, std::string_view wanted) {
  const auto* node = find(key);
  if (node == nullptr) return std::nullopt;
  if (const auto* text = std::get_if<std::string>(&node->value)) return *text;
  if (const auto* whole = std::get_if<std::int64_t>(&node->value)) return *whole;
  if (const auto* real = std::get_if<double>(&node->value)) return *real;
  wrong(*node, key, wanted);
  return std::nullopt;
}

std::vector<std::string> TomlTable::keys() const {
  std::vector<std::string> names;
  if (node_ == nullptr) return names;
  for (const auto& member : std::get<TomlNode::Members>(node_->value)) names.push_back(member.key);
  return names;
}

std::vector<TomlTable> TomlTable::tables(std::string_view key) {
  auto* node = find(key);
  if (node == nullptr) return {};
  std::vector<TomlTable> found;
  if (auto* elements = std::get_if<TomlNode::Elements>(&node->value)) {
    for (auto& element : *elements) {
      if (!std::holds_alternative<TomlNode::Members>(element->value)) break;
      found.push_back({*document_, element.get(), path_of(key)});
    }
    if (found.size() == elements->size()) return found;
  }
  wrong(*node, key, fmt::format("tables: [[{}]]", path_of(key)));
  return {};
}

TomlTable TomlTable::table(std::string_view key) {
  auto* node = find(key);
  if (node != nullptr && !std::holds_alternative<TomlNode::Members>(node->value)) {
    wrong(*node, key, fmt::format("a table: [{}]", path_of(key)));
    node = nullptr;
  }
  return {*document_, node, path_of(key)};
}

}  // namespace millrace::host
