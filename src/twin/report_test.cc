#include "twin/report.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <boost/json.hpp>
#include <cmath>
#include <limits>

#include "host/file.h"
#include "twin/page/draw.h"
#include "twin/page/html.h"

namespace millrace::twin {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

const TimePoint kStart = *parse_rfc3339("2026-01-05");
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

TEST(Page, FiguresReadAsPeopleWriteThem) {
  EXPECT_EQ(page::figure(0.0), "0");
  EXPECT_EQ(page::figure(1234567.8), "1,234,568");
  EXPECT_EQ(page::figure(-1234.0), "-1,234");
  EXPECT_EQ(page::figure(999.0), "999");
  EXPECT_EQ(page::figure(45.678), "45.7");
  EXPECT_EQ(page::figure(4.5), "4.5");
  EXPECT_EQ(page::figure(0.01234), "0.0123");
  EXPECT_EQ(page::figure(kNan), "-");
  EXPECT_EQ(page::figure(90, "s"), "90 s");
  EXPECT_EQ(page::figure(5040, "s"), "84 min");
  EXPECT_EQ(page::figure(50'000, "s"), "13 h 53 min");
  EXPECT_EQ(page::figure(400'000, "s"), "4 d 15 h");
  EXPECT_EQ(page::figure(1.24e6, "EUR"), "1.24 M EUR");
  EXPECT_EQ(page::figure(24'100, "MWh"), "24.1 GWh");
  EXPECT_EQ(page::figure(93.1, "%"), "93.1 %");
}

TEST(Page, TicksAreRoundAndHoldAllValues) {
  for (const auto& [least, most] : {std::pair(0.0, 39.9), std::pair(0.0, 0.0), std::pair(-3.0, 7.0),
                                    std::pair(0.0, 1e-6), std::pair(0.0, 123456.0)}) {
    const auto ticks = page::round_ticks(least, most, 5);
    EXPECT_LE(ticks.least, least);
    EXPECT_GE(ticks.most, most);
    EXPECT_GE(ticks.at.size(), 2u);
    EXPECT_LE(ticks.at.size(), 8u);
  }
  EXPECT_EQ(page::round_ticks(0, 39.9, 5).at, (std::vector<double>{0, 10, 20, 30, 40}));
}

TEST(Page, TimeTicksFollowTheLengthOfTheRun) {
  const auto labels = [](auto length) { return page::time_ticks(kStart, kStart + length, 10).labels; };
  EXPECT_EQ(labels(hours(6))[1], "01:00");
  EXPECT_EQ(labels(hours(24 * 7))[1], "6 Jan");
  EXPECT_EQ(labels(hours(24 * 365))[0], "Mar 2026") << "every other month: the first of January lies before";
  for (const auto length :
       {minutes(1), minutes(600), minutes(60 * 24 * 3), minutes(60 * 24 * 40), minutes(60 * 24 * 3650)}) {
    EXPECT_LE(page::time_ticks(kStart, kStart + length, 10).at.size(), 11u);
  }
}

TEST(Page, TextIsEscapedAndMadeSound) {
  EXPECT_EQ(page::escape("<a href=\"x\">&"), "&lt;a href=&quot;x&quot;&gt;&amp;");
  EXPECT_EQ(page::escape("é"), "é");
  EXPECT_EQ(page::escape("\xFF\x01"), "\xEF\xBF\xBD\xEF\xBF\xBD");
}

const page::Frame kFrame{.x0 = 0,
                         .width = 100,
                         .y0 = 100,
                         .height = 100,
                         .least = 0,
                         .most = 10,
                         .from = kStart,
                         .to = kStart + hours(10)};

TEST(Chart, HoldsEachValueUntilTheNextAndBreaksWhereThereIsNone) {
  EXPECT_EQ(page::step_path(kFrame, {kStart, kStart + hours(1), kStart + hours(2), kStart + hours(3)},
                            {1, 2, kNan, 4}),
            "M0 90H10V80H20M30 60H100");
  EXPECT_EQ(page::step_path(kFrame, {kStart}, {kNan}), "");
  EXPECT_EQ(page::step_path(kFrame, {kStart, kStart + hours(11)}, {1, 9}), "M0 90H100")
      << "beyond the run nothing is drawn";
}

TEST(Chart, KeepsThePeaksOfLongLines) {
  std::vector<TimePoint> times;
  std::vector<double> values;
  for (int i = 0; i < 100'000; ++i) {
    times.push_back(kStart + std::chrono::microseconds(360'000LL * i));
    values.push_back(i == 54'321 ? 10 : i == 54'322 ? 0 : 5);
  }
  const auto path = page::step_path(kFrame, times, values);
  EXPECT_LT(path.size(), 4000u);
  EXPECT_NE(path.find("V0V50"), std::string::npos) << "the peak, and back: " << path;
  EXPECT_NE(path.find("V100"), std::string::npos) << "the trough";
}

RunReport small_report() {
  RunReport report;
  report.title = "A & B";
  report.start = kStart;
  report.end = kStart + hours(10);
  report.metrics = {{"wait_mean_s", 5040}, {"unheard_of", kNan}};
  report.charts.push_back({.id = "power",
                           .title = "Power",
                           .unit = "MW",
                           .note = {},
                           .times = {kStart, kStart + hours(1)},
                           .lines = {{.name = "Draw", .values = {1.25, kNan}},
                                     {.name = "Budget", .values = {2}, .style = ChartLine::Style::kLimit}}});
  report.gantt = {{.name = "job 1",
                   .account = "=cmd()",
                   .accelerators = 8,
                   .arrival = kStart,
                   .stretches = {{kStart, kStart + hours(1), true}}},
                  {.name = "job 2", .account = "a", .accelerators = 8, .arrival = kStart, .stretches = {}}};
  report.accounts = {
      {.account = "a, b", .entitled = 0.5, .used = 1, .accelerator_hours = 8, .wait_mean_s = 0, .jobs = 1}};
  report.tables = {
      {.id = "sites", .title = "Sites", .columns = {"Site"}, .numeric = {false}, .rows = {{"say \"hi\""}}}};
  return report;
}

TEST(Report, IsOneFileWithoutScriptOrNetwork) {
  const auto html = render_report(small_report());
  EXPECT_TRUE(html.starts_with("<!doctype html>"));
  EXPECT_EQ(html.find("http:"), std::string::npos);
  EXPECT_EQ(html.find("https:"), std::string::npos);
  EXPECT_EQ(html.find("<script"), std::string::npos);
  EXPECT_NE(html.find("A &amp; B"), std::string::npos);
  EXPECT_NE(html.find("84 min"), std::string::npos);
  EXPECT_EQ(render_report(small_report()), html);
  EXPECT_NE(render_report(RunReport{}).find("</html>"), std::string::npos) << "what is empty is left out";
}

TEST(Report, TablesAreWholeAndSafeForSpreadsheets) {
  std::string folder = "/tmp/millrace-report-XXXXXX";
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  ASSERT_TRUE(write_tables(small_report(), folder));
  const auto text = [&](const std::string& name) {
    return host::read_file(folder + "/" + name).value_or("absent");
  };
  EXPECT_EQ(text("metrics.csv"),
            "metric,value,unit,meaning\nwait_mean_s,5040,s,From arrival to first start of what has started.\nunheard_of,,,\n");
  EXPECT_EQ(text("accounts.csv"),
            "account,entitled,used,accelerator_hours,jobs,wait_mean_s\n\"a, b\",0.5,1,8,1,0\n");
  EXPECT_EQ(
      text("power.csv"),
      "time,Draw (MW),Budget (MW)\n2026-01-05T00:00:00.000000Z,1.25,2\n2026-01-05T01:00:00.000000Z,,\n");
  EXPECT_EQ(
      text("gantt.csv"),
      "job,account,accelerators,arrival,from,to,capped\n"
      "job 1, "
      "=cmd(),8,2026-01-05T00:00:00.000000Z,2026-01-05T00:00:00.000000Z,2026-01-05T01:00:00.000000Z,true\n"
      "job 2,a,8,2026-01-05T00:00:00.000000Z,,,\n");
  EXPECT_EQ(text("sites.csv"), "Site\n\"say \"\"hi\"\"\"\n");
  EXPECT_TRUE(host::remove_tree(folder));
}

TEST(Report, MetricsThatAreNoNumbersBecomeNull) {
  EXPECT_EQ(boost::json::serialize(metrics_json({{"a", 1.5}, {"b", kNan}})), R"({"a":1.5E0,"b":null})");
}

}  // namespace
}  // namespace millrace::twin
