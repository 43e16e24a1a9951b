#include "host/openmetrics.h"

#include <fmt/format.h>

#include <cmath>
#include <iterator>

namespace millrace::host {

namespace {

void append_escaped(std::string& out, std::string_view text, bool in_quotes) {
  for (const char c : text) {
    if (c == '\\') {
      out += "\\\\";
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '"' && in_quotes) {
      out += "\\\"";
    } else {
      out += c;
    }
  }
}

std::string number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  if (std::trunc(value) == value && std::abs(value) < 1e15) return fmt::format("{:.0f}", value);
  return fmt::format("{}", value);
}

}  // namespace

MetricsText::Format MetricsText::format_for(std::string_view accept) {
  return accept.find("application/openmetrics-text") == std::string_view::npos ? Format::kPrometheus
                                                                               : Format::kOpenMetrics;
}

std::string_view MetricsText::content_type(Format format) {
  return format == Format::kOpenMetrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                                        : "text/plain; version=0.0.4; charset=utf-8";
}

void MetricsText::begin(std::string_view name, std::string_view type, std::string_view help) {
  name_ = name;
  counter_ = type == "counter";
  // The formats disagree on the name of a counter's family: with or without its suffix.
  const std::string_view suffix = counter_ && format_ == Format::kPrometheus ? "_total" : "";
  fmt::format_to(std::back_inserter(text_), "# HELP {}{} ", name, suffix);
  append_escaped(text_, help, format_ == Format::kOpenMetrics);
  fmt::format_to(std::back_inserter(text_), "\n# TYPE {}{} {}\n", name, suffix, type);
}

void MetricsText::begin_counter(std::string_view name, std::string_view help) {
  begin(name, "counter", help);
}
void MetricsText::begin_gauge(std::string_view name, std::string_view help) { begin(name, "gauge", help); }
void MetricsText::begin_histogram(std::string_view name, std::string_view help) {
  begin(name, "histogram", help);
}

void MetricsText::line(std::string_view suffix, Labels labels, std::string_view le, double value) {
  text_ += name_;
  text_ += suffix;
  char separator = '{';
  const auto add = [&](std::string_view label, std::string_view text) {
    text_ += separator;
    text_ += label;
    text_ += "=\"";
    append_escaped(text_, text, true);
    text_ += '"';
    separator = ',';
  };
  for (const auto& [label, text] : labels) add(label, text);
  if (!le.empty()) add("le", le);
  if (separator == ',') text_ += '}';
  text_ += ' ';
  text_ += number(value);
  text_ += '\n';
}

void MetricsText::sample(Labels labels, double value) { line(counter_ ? "_total" : "", labels, "", value); }

void MetricsText::histogram(Labels labels, std::span<const double> bounds,
                            std::span<const std::uint64_t> counts, double sum) {
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    seen += counts[i];
    line("_bucket", labels, i < bounds.size() ? number(bounds[i]) : "+Inf", double(seen));
  }
  line("_sum", labels, "", sum);
  line("_count", labels, "", double(seen));
}

std::string MetricsText::finish() {
  if (format_ == Format::kOpenMetrics) text_ += "# EOF\n";
  return std::move(text_);
}

}  // namespace millrace::host
