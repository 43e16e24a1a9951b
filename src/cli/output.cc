#include "cli/output.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "cli/cli.h"
#include "cli/client.h"
#include "host/json_writer.h"

namespace millrace::cli {
namespace {

/// Display width: code points, which is right for all that Millrace prints.
std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; }));
}

void print_row(const std::vector<std::string>& row, const std::vector<std::size_t>& widths) {
  std::string line;
  for (std::size_t i = 0; i < row.size(); ++i) {
    line += row[i];
    if (i + 1 < row.size()) line.append(widths[i] - width_of(row[i]) + 2, ' ');
  }
  fmt::print("{}\n", line);
}

}  // namespace

void print_table(const std::vector<std::string>& header, const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths(header.size());
  for (std::size_t i = 0; i < header.size(); ++i) {
    widths[i] = width_of(header[i]);
    for (const auto& row : rows) widths[i] = std::max(widths[i], width_of(row[i]));
  }
  print_row(header, widths);
  for (const auto& row : rows) print_row(row, widths);
}

void print_json(const boost::json::value& value) {
  fmt::print("{}\n", host::JsonWriter().value(value).text());
}

std::string cell(const boost::json::value& object, std::string_view member) {
  const auto* map = object.if_object();
  const auto* value = map != nullptr ? map->if_contains(member) : nullptr;
  if (value == nullptr || value->is_null()) return "-";
  if (value->is_string()) return std::string(value->as_string());
  if (value->is_bool()) return value->as_bool() ? "yes" : "no";
  if (value->is_double()) return fmt::format("{:.6g}", value->as_double());
  return boost::json::serialize(*value);
}

std::vector<std::vector<std::string>> rows_of(const std::vector<boost::json::value>& items,
                                              const std::vector<std::string>& members) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& item : items) {
    std::vector<std::string> row;
    for (const auto& member : members) row.push_back(cell(item, member));
    rows.push_back(std::move(row));
  }
  return rows;
}

int print_items(const boost::json::array& items, const std::vector<std::string>& members, bool as_json) {
  if (as_json) {
    print_json(items);
  } else {
    print_table(members, rows_of({items.begin(), items.end()}, members));
  }
  return kOk;
}

int print_list(const Client& client, const std::string& path, const std::vector<std::string>& members,
               bool as_json) {
  boost::json::array items;
  const auto listed = client.each(path, [&](const boost::json::value& item) { items.push_back(item); });
  return listed ? print_items(items, members, as_json) : report(listed.error());
}

void print_object(const boost::json::value& object, std::size_t width) {
  for (const auto& member : object.as_object())
    fmt::print("{:{}} {}\n", std::string_view(member.key()), width, cell(object, member.key()));
}

std::string limits_line(const boost::json::array& nodes) {
  constexpr std::size_t kNamed = 4;
  std::vector<std::string> weak;
  for (const auto& node : nodes) {
    if (cell(node, "limits_kind") == "rlimits") weak.push_back(cell(node, "name"));
  }
  if (weak.empty()) return "";
  std::string of;
  if (weak.size() < nodes.size()) {
    const std::size_t more = weak.size() - std::min(weak.size(), kNamed);
    weak.resize(weak.size() - more);
    of = fmt::format(" of {}{}", fmt::join(weak, ", "), more > 0 ? fmt::format(" and {} more", more) : "");
  }
  return fmt::format("limits{}: {}", of, kRlimitsMean);
}

void show_progress(const std::string& line, bool last) {
  if (::isatty(STDERR_FILENO) == 0) return;
  fmt::print(stderr, "\r\x1b[K{}{}", line, last ? "\n" : "");
  std::fflush(stderr);
}

int report(const Error& error) {
  fmt::print(stderr, "millrace: {}\n", error.message);
  switch (error.code) {
    case ErrorCode::kNotFound:
      return kNotFound;
    case ErrorCode::kDenied:
      return kDenied;
    case ErrorCode::kUnavailable:
      return kUnavailable;
    case ErrorCode::kInvalidArgument:
      return kUsage;
    default:
      return kFailed;
  }
}

}  // namespace millrace::cli
