#include <algorithm>
#include <boost/json.hpp>
#include <cmath>

#include "twin/report.h"

namespace millrace::twin {

using enum Better;

const std::vector<MetricInfo>& metric_infos() {
  static const std::vector<MetricInfo> infos = {
#include "twin/metrics.inc"
  };
  return infos;
}

const MetricInfo* find_metric(std::string_view name) {
  const auto& infos = metric_infos();
  const auto found = std::ranges::find(infos, name, &MetricInfo::name);
  return found == infos.end() ? nullptr : &*found;
}

boost::json::object metrics_json(const std::vector<Metric>& metrics) {
  boost::json::object object;
  for (const auto& [name, value] : metrics) {
    if (std::isfinite(value)) {
      object[name] = value;
    } else {
      object[name] = nullptr;
    }
  }
  return object;
}

}  // namespace millrace::twin
