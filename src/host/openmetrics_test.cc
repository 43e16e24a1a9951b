#include "host/openmetrics.h"

#include <gtest/gtest.h>

#include <array>

namespace millrace::host {
namespace {

using Format = MetricsText::Format;

TEST(MetricsText, counter_family_is_named_as_its_format_wants) {
  MetricsText older(Format::kPrometheus), open(Format::kOpenMetrics);
  for (MetricsText* text : {&older, &open}) {
    text->begin_counter("millrace_requests", "Requests.");
    text->sample({{"status", "200"}}, 3);
  }
  EXPECT_EQ(older.finish(),
            "# HELP millrace_requests_total Requests.\n# TYPE millrace_requests_total counter\n"
            "millrace_requests_total{status=\"200\"} 3\n");
  EXPECT_EQ(open.finish(),
            "# HELP millrace_requests Requests.\n# TYPE millrace_requests counter\n"
            "millrace_requests_total{status=\"200\"} 3\n# EOF\n");
}

TEST(MetricsText, label_values_cannot_break_out_of_their_quotes) {
  MetricsText text(Format::kPrometheus);
  text.begin_gauge("g", "G.");
  text.sample({{"model", "a\"} 1\nevil 2\\"}}, 0.25);
  EXPECT_EQ(text.finish(), "# HELP g G.\n# TYPE g gauge\ng{model=\"a\\\"} 1\\nevil 2\\\\\"} 0.25\n");
}

TEST(MetricsText, histogram_buckets_add_up_and_end_with_infinity) {
  MetricsText text(Format::kOpenMetrics);
  text.begin_histogram("h_seconds", "H.");
  text.histogram({}, std::array{0.1, 1.0}, std::array<std::uint64_t, 3>{2, 0, 5}, 7.5);
  EXPECT_EQ(
      text.finish(),
      "# HELP h_seconds H.\n# TYPE h_seconds histogram\nh_seconds_bucket{le=\"0.1\"} 2\n"
      "h_seconds_bucket{le=\"1\"} 2\nh_seconds_bucket{le=\"+Inf\"} 7\nh_seconds_sum 7.5\nh_seconds_count 7\n"
      "# EOF\n");
}

TEST(MetricsText, open_metrics_is_sent_only_to_those_who_ask) {
  EXPECT_EQ(MetricsText::format_for("application/openmetrics-text;version=1.0.0,*/*;q=0.1"),
            Format::kOpenMetrics);
  EXPECT_EQ(MetricsText::format_for("*/*"), Format::kPrometheus);
  EXPECT_EQ(MetricsText::format_for(""), Format::kPrometheus);
}

}  // namespace
}  // namespace millrace::host
