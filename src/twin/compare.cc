#include "twin/compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <iterator>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "host/file.h"
#include "host/json.h"

namespace millrace::twin {
namespace {

using Figures = std::map<std::string, double>;

/// What tells elements apart, so that the same are compared where lists differ: the first text of each, or their places if
/// some have none or the same.
std::vector<std::string> keys_of(const boost::json::array& array) {
  std::vector<std::string> keys;
  for (const boost::json::value& element : array) {
    const auto* object = element.if_object();
    if (object == nullptr) break;
    const auto text =
        std::ranges::find_if(*object, [](const auto& member) { return member.value().is_string(); });
    if (text != object->end()) keys.emplace_back(text->value().get_string());
  }
  const std::set<std::string> known(keys.begin(), keys.end());
  if (known.size() == array.size() && !known.contains("")) return keys;
  keys.clear();
  for (std::size_t i = 0; i < array.size(); ++i) keys.push_back(std::to_string(i + 1));
  return keys;
}

void collect(const boost::json::value& value, const std::string& path, Figures& figures) {
  const auto below = [&](std::string_view key) {
    return path.empty() ? std::string(key) : fmt::format("{}.{}", path, key);
  };
  if (const auto* object = value.if_object()) {
    for (const auto& [key, inner] : *object)
      collect(inner, path.empty() && key == "metrics" ? "" : below(key), figures);
  } else if (const auto* array = value.if_array()) {
    const std::vector<std::string> keys = keys_of(*array);
    for (std::size_t i = 0; i < array->size(); ++i) collect((*array)[i], below(keys[i]), figures);
  } else if (value.is_number()) {
    figures.emplace(path, value.to_number<double>());
  } else if (value.is_bool()) {
    figures.emplace(path, value.as_bool() ? 1 : 0);
  }
}

/// What one command of `millrace twin` told. Each has a member that no other has.
struct Output {
  std::string_view command;  // empty: of none that is known
  Figures figures;
};

std::string_view command_of(const boost::json::object& object) {
  constexpr std::pair<std::string_view, std::string_view> kTold[] = {
      {"metrics", "run"},
      {"inflate", "openb"},
      {"hit_ratio", "routing"},
      {"oracle_saving_pct", "carbon"},
      {"admission_mean_s", "queues"},
      {"cold_ms", "pass"},
      {"accelerators", "accelerators"},
      {"out", "generate"},
  };
  for (const auto& [member, command] : kTold) {
    const auto* found = object.if_contains(member);
    if (found != nullptr && (member != "accelerators" || found->is_array())) return command;
  }
  return {};
}

Result<Output> output_of(std::string_view text, const std::string& name) {
  const auto value = host::parse_json(text, {.max_depth = 16});
  if (!value) return failure(ErrorCode::kInvalidArgument, fmt::format("{}: {}", name, value.error().message));
  const auto* object = value->if_object();
  if (object == nullptr) {
    return failure(
        ErrorCode::kInvalidArgument,
        fmt::format("{}: holds no JSON object: give what a command of `millrace twin` prints with --json",
                    name));
  }
  Output output{.command = command_of(*object), .figures = {}};
  collect(*value, "", output.figures);
  return output;
}

/// Figures of two commands may have the same names, and mean other things.
Result<void> check_comparable(const Output& a, const Output& b, std::string_view name_a,
                              std::string_view name_b) {
  if (!a.command.empty() && !b.command.empty() && a.command != b.command) {
    return failure(
        ErrorCode::kInvalidArgument,
        fmt::format("{} is of `millrace twin {}`, {} of `millrace twin {}`: give two outputs of one command",
                    name_a, a.command, name_b, b.command));
  }
  if (std::ranges::any_of(a.figures, [&](const auto& each) { return b.figures.contains(each.first); }))
    return {};
  return failure(
      ErrorCode::kInvalidArgument,
      fmt::format("{} and {} have no figure in common: give two outputs of one command of `millrace twin`",
                  name_a, name_b));
}

/// Figures of the commands that are not runs, and of the process itself.
constexpr std::pair<std::string_view, Better> kOtherFigures[] = {
    {"admission_max_s", Better::kLower}, {"admission_mean_s", Better::kLower},
    {"cold_ms", Better::kLower},         {"decisions_per_s", Better::kHigher},
    {"event_ms", Better::kLower},        {"hit_ratio", Better::kHigher},
    {"imbalance", Better::kLower},       {"pass_ms", Better::kLower},
    {"rss_mb", Better::kLower},          {"saving_pct", Better::kHigher},
    {"seconds_per_run", Better::kLower}, {"share_of_oracle", Better::kHigher},
    {"usage_pct", Better::kHigher},      {"wall_s", Better::kLower},
};

/// Of "allocation_pct.130" as of "allocation_pct".
Better direction_of(std::string_view name) {
  const std::string_view first = name.substr(0, name.find('.'));
  if (const auto* info = find_metric(first)) return info->better;
  const auto other = std::ranges::find(kOtherFigures, first, [](const auto& each) { return each.first; });
  return other == std::end(kOtherFigures) ? Better::kNeither : other->second;
}

Verdict verdict_of(const ComparedFigure& figure) {
  if (!figure.difference) return Verdict::kNone;
  if (*figure.difference == 0) return Verdict::kEqual;
  const auto direction = direction_of(figure.name);
  if (direction == Better::kNeither) return Verdict::kNone;
  return (*figure.difference < 0) == (direction == Better::kLower) ? Verdict::kBetter : Verdict::kWorse;
}

ComparedFigure compared(const std::string& name, const Figures& a, const Figures& b) {
  const auto find = [&](const Figures& figures) {
    const auto found = figures.find(name);
    return found == figures.end() ? std::nullopt : std::optional(found->second);
  };
  const auto* info = find_metric(name);
  ComparedFigure figure{.name = name,
                        .title = info != nullptr ? std::string(info->title) : name,
                        .unit = info != nullptr ? std::string(info->unit) : std::string(),
                        .a = find(a),
                        .b = find(b),
                        .difference = std::nullopt,
                        .percent = std::nullopt};
  if (figure.a && figure.b) {
    figure.difference = *figure.b - *figure.a;
    if (*figure.a != 0) figure.percent = 100 * *figure.difference / std::abs(*figure.a);
  }
  figure.verdict = verdict_of(figure);
  return figure;
}

boost::json::value or_null(const std::optional<double>& value) {
  return value ? boost::json::value(*value) : boost::json::value(nullptr);
}

}  // namespace

const char* name_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::kNone:
      return "none";
    case Verdict::kEqual:
      return "equal";
    case Verdict::kBetter:
      return "better";
    case Verdict::kWorse:
      return "worse";
  }
  return "none";
}

Result<Comparison> compare_runs(std::string_view text_a, std::string_view text_b, std::string name_a,
                                std::string name_b) {
  const auto output_a = TRY(output_of(text_a, name_a));
  const auto output_b = TRY(output_of(text_b, name_b));
  TRY_VOID(check_comparable(output_a, output_b, name_a, name_b));
  const Figures& a = output_a.figures;
  const Figures& b = output_b.figures;
  Comparison comparison{.a = std::move(name_a), .b = std::move(name_b), .figures = {}};
  auto names = a;
  names.insert(b.begin(), b.end());
  for (const auto& info : metric_infos()) {
    if (names.erase(std::string(info.name)) > 0)
      comparison.figures.push_back(compared(std::string(info.name), a, b));
  }
  for (const auto& [name, value] : names) comparison.figures.push_back(compared(name, a, b));
  return comparison;
}

Result<Comparison> compare_files(const std::string& path_a, const std::string& path_b) {
  const auto a = TRY(host::read_file(path_a));
  const auto b = TRY(host::read_file(path_b));
  return compare_runs(a, b, path_a, path_b);
}

boost::json::object to_json(const Comparison& comparison) {
  boost::json::object figures;
  for (const auto& each : comparison.figures) {
    figures[each.name] = {
        {"a", or_null(each.a)},
        {"b", or_null(each.b)},
        {"difference", or_null(each.difference)},
        {"percent", or_null(each.percent)},
        {"verdict", each.verdict == Verdict::kNone ? boost::json::value(nullptr)
                                                   : boost::json::value(name_of(each.verdict))},
        {"unit", each.unit}};
  }
  const auto count = [&](Verdict verdict) {
    return std::ranges::count(comparison.figures, verdict, &ComparedFigure::verdict);
  };
  return {{"a", comparison.a},
          {"b", comparison.b},
          {"better", count(Verdict::kBetter)},
          {"worse", count(Verdict::kWorse)},
          {"figures", std::move(figures)}};
}

}  // namespace millrace::twin
