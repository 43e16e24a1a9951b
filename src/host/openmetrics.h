// OpenMetrics: writes metrics as text, in OpenMetrics 1.0 or in the older Prometheus format 0.0.4.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace millrace::host {

/// One answer to a scrape. Begin a family, then write its samples; families and their samples must not be mixed.
/// One thread at a time.
class MetricsText {
 public:
  enum class Format { kPrometheus, kOpenMetrics };
  using Label = std::pair<std::string_view, std::string_view>;
  using Labels = std::span<const Label>;

  /// What to send to a client with this Accept header: OpenMetrics only where it is asked for by name, because
  /// readers of the older format take its counters for untyped metrics.
  static Format format_for(std::string_view accept);
  static std::string_view content_type(Format format);

  explicit MetricsText(Format format) : format_(format) {}

  /// `name` with its unit, without "_total" ("millrace_energy_joules"): [a-zA-Z_:][a-zA-Z0-9_:]*. `help` is one
  /// sentence without a line break.
  void begin_counter(std::string_view name, std::string_view help);
  void begin_gauge(std::string_view name, std::string_view help);
  void begin_histogram(std::string_view name, std::string_view help);

  /// A sample of the counter or gauge begun last. Label values may hold anything; they are escaped.
  void sample(Labels labels, double value);
  void sample(std::initializer_list<Label> labels, double value) {
    sample(Labels(labels.begin(), labels.size()), value);
  }

  /// Of the histogram begun last. `bounds` are upper limits in rising order, `counts` the observations in each range
  /// (not added up), one more than bounds: the last is what lies above.
  void histogram(Labels labels, std::span<const double> bounds, std::span<const std::uint64_t> counts,
                 double sum);

  /// The text, ended as its format wants. Call once, last.
  std::string finish();

 private:
  void begin(std::string_view name, std::string_view type, std::string_view help);
  void line(std::string_view suffix, Labels labels, std::string_view le, double value);

  const Format format_;
  std::string text_;
  std::string name_;
  bool counter_ = false;
};

}  // namespace millrace::host
