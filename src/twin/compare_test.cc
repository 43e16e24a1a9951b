#include "twin/compare.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json.hpp>
#include <string>

#include "host/file.h"

namespace millrace::twin {
namespace {

const ComparedFigure& figure(const Comparison& comparison, std::string_view name) {
  const auto found = std::ranges::find(comparison.figures, name, &ComparedFigure::name);
  EXPECT_NE(found, comparison.figures.end()) << name;
  return *found;
}

TEST(Compare, PutsFiguresSideBySideAndTellsWhichIsBetter) {
  const auto compared = compare_runs(
      R"({"metrics": {"wait_mean_s": 200, "allocation_pct": 90, "starts": 5}, "wall_s": 2, "jobs": 7, "name": "a", "gone": 1})",
      R"({"metrics": {"wait_mean_s": 150, "allocation_pct": 81, "starts": 6}, "wall_s": 2, "jobs": 7, "list": [1], "new": true})",
      "a", "b");
  ASSERT_TRUE(compared) << compared.error().message;
  const auto& wait = figure(*compared, "wait_mean_s");
  EXPECT_EQ(wait.difference, -50);
  EXPECT_EQ(wait.percent, -25);
  EXPECT_EQ(wait.verdict, Verdict::kBetter);
  EXPECT_EQ(wait.unit, "s");
  EXPECT_EQ(figure(*compared, "allocation_pct").verdict, Verdict::kWorse);
  EXPECT_EQ(figure(*compared, "allocation_pct").percent, -10);
  EXPECT_EQ(figure(*compared, "starts").verdict, Verdict::kNone);
  EXPECT_EQ(figure(*compared, "wall_s").verdict, Verdict::kEqual);
  EXPECT_FALSE(figure(*compared, "gone").b);
  EXPECT_FALSE(figure(*compared, "new").a);
  EXPECT_FALSE(figure(*compared, "new").difference);
  EXPECT_EQ(figure(*compared, "list.1").b, 1);
  EXPECT_EQ(compared->figures.size(), 8u) << "texts are left out";
  EXPECT_EQ(compared->figures[0].name, "allocation_pct") << "in the order of metric_infos()";
  const auto json = to_json(*compared);
  EXPECT_EQ(json.at("better").as_int64(), 1);
  EXPECT_EQ(json.at("worse").as_int64(), 1);
  EXPECT_EQ(boost::json::serialize(json.at("figures").at("wait_mean_s")),
            R"({"a":2E2,"b":1.5E2,"difference":-5E1,"percent":-2.5E1,"verdict":"better","unit":"s"})");
  EXPECT_TRUE(json.at("figures").at("gone").at("b").is_null());
}

TEST(Compare, NestedFiguresHaveTheirPaths) {
  const auto compared = compare_runs(R"({"allocation_pct": {"100": 90.5, "130": 95}})",
                                     R"({"allocation_pct": {"100": 91.5, "130": 95}})", "a", "b");
  ASSERT_TRUE(compared);
  EXPECT_EQ(figure(*compared, "allocation_pct.100").difference, 1);
  EXPECT_EQ(figure(*compared, "allocation_pct.100").verdict, Verdict::kBetter);
  const auto routing = compare_runs(R"({"hit_ratio": 0.2, "imbalance": 1.2})",
                                    R"({"hit_ratio": 0.3, "imbalance": 1.3})", "a", "b");
  EXPECT_EQ(figure(*routing, "hit_ratio").verdict, Verdict::kBetter);
  EXPECT_EQ(figure(*routing, "imbalance").verdict, Verdict::kWorse);
}

TEST(Compare, ElementsOfListsAreTheSameByTheirNamesOrPlaces) {
  const auto compared = compare_runs(
      R"({"kinds": [{"kind": "a", "w": 1}, {"kind": "b", "w": 2}], "what_if": [{"m": 1}, {"m": 2}],
                      "twice": [{"kind": "a", "w": 1}, {"kind": "a", "w": 2}]})",
      R"({"kinds": [{"kind": "b", "w": 5}], "what_if": [{"m": 4}]})", "a", "b");
  ASSERT_TRUE(compared);
  EXPECT_EQ(figure(*compared, "kinds.b.w").difference, 3);
  EXPECT_FALSE(figure(*compared, "kinds.a.w").b);
  EXPECT_EQ(figure(*compared, "what_if.1.m").difference, 3);
  EXPECT_EQ(figure(*compared, "twice.2.w").a, 2);
}

TEST(Compare, OutputsThatHaveNothingInCommonAreRefused) {
  EXPECT_EQ(compare_runs("{}", "{}", "a.json", "b.json").error().message,
            "a.json and b.json have no figure in common: give two outputs of one command of `millrace twin`");
  EXPECT_FALSE(compare_runs(R"({"a": 1, "text": "x"})", R"({"b": 1, "text": "x"})", "a", "b"));
  EXPECT_TRUE(compare_runs(R"({"a": 1, "c": 2})", R"({"b": 1, "c": 2})", "a", "b"));
}

TEST(Compare, OutputsOfDifferentCommandsAreRefused) {
  const auto refused = compare_runs(R"({"metrics": {"wait_mean_s": 200}, "wait_mean_s": 3})",
                                    R"({"hit_ratio": 0.2, "wait_mean_s": 1})", "a.json", "b.json");
  ASSERT_FALSE(refused) << "both know a mean wait";
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(
      refused.error().message,
      "a.json is of `millrace twin run`, b.json of `millrace twin routing`: give two outputs of one command");
}

TEST(Compare, NamesTheFileThatIsNone) {
  EXPECT_EQ(compare_runs("{", "{}", "a.json", "b.json").error().message.substr(0, 8), "a.json: ");
  EXPECT_EQ(compare_runs("{}", "[]", "a.json", "b.json").error().message.substr(0, 36),
            "b.json: holds no JSON object: give w");
}

TEST(Metrics, HaveNamesWithTheirUnitLast) {
  for (const auto& info : metric_infos()) {
    EXPECT_EQ(find_metric(info.name), &info) << "twice: " << info.name;
    if (info.unit == "s") EXPECT_TRUE(info.name.ends_with("_s")) << info.name;
    if (info.unit == "%") EXPECT_TRUE(info.name.ends_with("_pct")) << info.name;
    if (info.unit == "EUR") EXPECT_TRUE(info.name.ends_with("_eur")) << info.name;
    EXPECT_FALSE(info.meaning.empty());
  }
}

TEST(Metrics, StandInTheDocumentation) {
  const auto document = host::read_file(std::string(MILLRACE_SOURCE) + "/docs/twin.md");
  ASSERT_TRUE(document) << document.error().message;
  for (const auto& info : metric_infos()) {
    const auto row = fmt::format("| `{}` | {} |", info.name, info.unit);
    EXPECT_NE(document->find(row), std::string::npos) << row;
  }
}

}  // namespace
}  // namespace millrace::twin
