#include "twin/csv.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>

namespace millrace::twin {
namespace {

constexpr std::size_t kColumnsMax = 4096;

/// For errors: a field may hold anything.
std::string shown(std::string_view field) {
  std::string text;
  for (const char c : field.substr(0, 40)) text += c >= ' ' && c < 0x7F ? c : '?';
  return field.size() > 40 ? text + "..." : text;
}

}  // namespace

std::string_view without_bom(std::string_view text) {
  constexpr std::string_view kMark = "\xEF\xBB\xBF";
  if (text.starts_with(kMark)) text.remove_prefix(kMark.size());
  return text;
}

CsvReader::CsvReader(std::string_view text, std::string file, char separator, bool header)
    : text_(without_bom(text)), file_(std::move(file)), separator_(separator) {
  if (!header) return;
  if (!next()) {
    if (!fault_) {
      fault_ = Error{ErrorCode::kInvalidArgument,
                     fmt::format("{}:1: is empty: want a row with the names of the columns", file_)};
    }
    return;
  }
  names_ = fields_;
  unquoted_names_.swap(unquoted_);
}

CsvColumn CsvReader::maybe_column(std::string_view name) {
  asked_.emplace_back(name);
  CsvColumn found = kNoColumn;
  for (CsvColumn i = 0; i < names_.size(); ++i) {
    if (names_[i] != name) continue;
    if (found != kNoColumn && !fault_) {
      fault_ =
          Error{ErrorCode::kInvalidArgument, fmt::format("{}:1: has two columns called '{}'", file_, name)};
    }
    found = i;
  }
  return found;
}

CsvColumn CsvReader::column(std::string_view name) {
  const auto found = maybe_column(name);
  if (found == kNoColumn && !fault_) {
    std::string there;
    for (const auto& each : names_) {
      if (there.size() > 200) break;
      there += (there.empty() ? "" : ", ") + shown(each);
    }
    fault_ = Error{ErrorCode::kInvalidArgument,
                   fmt::format("{}:1: has no column '{}'; its columns are {}", file_, name, there)};
  }
  return found;
}

void CsvReader::refuse_others() {
  for (const auto& name : names_) {
    if (fault_ || std::ranges::find(asked_, name) != asked_.end()) continue;
    fault_ = Error{ErrorCode::kInvalidArgument, fmt::format("{}:1: there is no column '{}'; there are: {}",
                                                            file_, shown(name), fmt::join(asked_, ", "))};
  }
}

// From the quote at `at` on, which moves behind the one that ends the field; nullopt if none does.
std::optional<std::string_view> CsvReader::quoted(std::string_view row, std::size_t& at) {
  const std::size_t from = at + 1;
  std::string* text = nullptr;  // where a quote stands twice
  for (std::size_t part = from;;) {
    const auto quote = row.find('"', part);
    if (quote == std::string_view::npos) return std::nullopt;
    const bool is_twice = quote + 1 < row.size() && row[quote + 1] == '"';
    if (is_twice && text == nullptr) text = &unquoted_.emplace_back();
    if (text != nullptr) *text += row.substr(part, quote - part + (is_twice ? 1 : 0));
    part = at = quote + (is_twice ? 2 : 1);
    if (!is_twice) return text != nullptr ? std::string_view(*text) : row.substr(from, quote - from);
  }
}

bool CsvReader::split() {
  const auto end = std::min(text_.find('\n', at_), text_.size());
  auto row = text_.substr(at_, end - at_);
  at_ = std::min(end + 1, text_.size());
  ++line_;
  if (row.ends_with('\r')) row.remove_suffix(1);
  if (row.empty()) return false;
  fields_.clear();
  unquoted_.clear();
  for (std::size_t from = 0;;) {
    std::size_t stop = 0;
    std::string_view field;
    if (from < row.size() && row[from] == '"') {
      stop = from;
      const auto inside = quoted(row, stop);
      if (!inside || (stop < row.size() && row[stop] != separator_)) {
        fields_.push_back({});
        fail(fields_.size() - 1,
             "a field that begins with a quote ends with the next one that does not stand twice, and a "
             "separator follows");
        return false;
      }
      field = *inside;
    } else {
      stop = std::min(row.find(separator_, from), row.size());
      field = row.substr(from, stop - from);
    }
    fields_.push_back(field);
    if (stop >= row.size()) return true;
    if (fields_.size() >= kColumnsMax) {
      fail(fields_.size() - 1, fmt::format("more than {} columns", kColumnsMax));
      return false;
    }
    from = stop + 1;
  }
}

bool CsvReader::next() {
  while (!fault_ && at_ < text_.size()) {
    if (!split()) continue;
    if (width_ == 0) width_ = fields_.size();
    if (fields_.size() == width_) return true;
    fail(std::min(width_, fields_.size()),
         fmt::format("the row has {} columns, the first has {}", fields_.size(), width_));
  }
  return false;
}

std::string_view CsvReader::text(CsvColumn column) const {
  return column < fields_.size() ? fields_[column] : std::string_view();
}

std::int64_t CsvReader::integer(CsvColumn column, std::int64_t least, std::int64_t most) {
  const auto field = text(column);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value);
  if (error == std::errc{} && end == field.data() + field.size() && value >= least && value <= most)
    return value;
  fail(column, fmt::format("want an integer in {} to {}, found '{}'", least, most, shown(field)));
  return least;
}

double CsvReader::number(CsvColumn column, double least, double most) {
  const auto field = text(column);
  double value = 0;
  const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value);
  if (error == std::errc{} && end == field.data() + field.size() && value >= least && value <= most)
    return value;
  fail(column, fmt::format("want a number in {} to {}, found '{}'", least, most, shown(field)));
  return least;
}

std::int64_t CsvReader::scaled(CsvColumn column, double scale, double least, double most) {
  return std::llround(number(column, least, most) * scale);
}

TimePoint CsvReader::time(CsvColumn column) {
  const auto field = text(column);
  if (auto time = parse_time_field(field)) return *time;
  fail(column, fmt::format("want a time as 2026-01-31T12:00:00Z, found '{}'", shown(field)));
  return {};
}

void CsvReader::fail(CsvColumn column, std::string_view message) {
  if (fault_) return;
  std::string name;
  if (column < names_.size()) name = fmt::format(" ({})", shown(names_[column]));
  fault_ =
      Error{ErrorCode::kInvalidArgument, fmt::format("{}:{}: column {}{}: {}", file_, line_,
                                                     column == kNoColumn ? 0 : column + 1, name, message)};
}

Result<void> CsvReader::finish() const {
  if (fault_) return std::unexpected(*fault_);
  return {};
}

std::string csv_field(std::string_view text) {
  if (text.find_first_of(",\"\n\r") == std::string_view::npos) return std::string(text);
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + "\"";
}

Result<TimePoint> parse_time_field(std::string_view text) {
  constexpr std::size_t kMinutes = std::string_view("2022-01-01T00:00").size();
  if (text.size() > kMinutes && text[kMinutes] != ':') {
    return parse_rfc3339(std::string(text.substr(0, kMinutes)) + ":00" + std::string(text.substr(kMinutes)));
  }
  return parse_rfc3339(text);
}

}  // namespace millrace::twin
