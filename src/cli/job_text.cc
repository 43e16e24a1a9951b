#include "cli/job_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "cli/output.h"
#include "host/toml.h"

namespace millrace::cli {
namespace {

namespace json = boost::json;

double number_of(const json::value& value) { return value.is_number() ? value.to_number<double>() : 0; }

Result<std::unique_ptr<host::TomlDocument>> read(std::string_view source, const std::string& file) {
  return host::TomlDocument::is_json(source) ? host::TomlDocument::parse_json(source, file)
                                             : host::TomlDocument::parse(source, file);
}

/// Of several tables the one whose value the message names: at its begin, or in quotes.
std::optional<std::int64_t> line_in(std::vector<host::TomlTable> tables, std::string_view key,
                                    std::string_view what) {
  std::erase_if(tables, [&](const host::TomlTable& table) { return !table.has(key); });
  if (tables.empty()) return std::nullopt;
  const auto named = std::ranges::find_if(tables, [&](host::TomlTable& table) {
    const std::string value = table.text(key, "");
    return what.starts_with(value + " ") || what.contains("'" + value + "'");
  });
  return (named != tables.end() ? *named : tables.front()).line_of(key);
}

}  // namespace

std::string failed_text(const json::value& job) {
  const auto* failed = job.as_object().if_contains("failed_elements");
  if (failed == nullptr || !failed->is_array() || failed->as_array().empty()) return "-";
  std::string text;
  for (const auto& id : failed->as_array())
    text += (text.empty() ? "" : ", ") + std::string(std::string_view(id.as_string()));
  const auto more = cell(job, "failed_more");
  return more == "0" ? text : fmt::format("{} and {} more", text, more);
}

json::array of_all_tasks(const json::array& items) {
  json::array all = items;
  for (auto& item : all) {
    const double tasks = number_of(item.at("tasks"));
    for (const char* member : {"cpus", "accelerators"})
      item.as_object()[member] = number_of(item.at(member)) * tasks;
  }
  return all;
}

std::string with_place(const std::string& message, std::string_view source, const std::string& file) {
  const auto colon = message.find(": ");
  const auto document = read(source, file);
  if (colon == std::string::npos || !document) return message;
  const std::string key = message.substr(0, colon);
  const auto dot = key.find('.');
  host::TomlTable root = (*document)->root();
  const auto line = dot == std::string::npos ? root.line_of(key)
                                             : line_in(root.tables(key.substr(0, dot)), key.substr(dot + 1),
                                                       std::string_view(message).substr(colon + 2));
  return line ? fmt::format("{}:{}: {}", file, *line, message) : message;
}

}  // namespace millrace::cli
