// Series and grid events from any text: refused with the file's name first, or in order.
#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "twin/hourly_csv.h"
#include "twin/site_config.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  namespace scheduler = millrace::scheduler;
  namespace twin = millrace::twin;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  scheduler::Cluster cluster;
  cluster.sites.resize(1);
  cluster.sites[0].name = "s";
  const auto events = twin::read_grid_events(text, "file", cluster, millrace::TimePoint{});
  if (!events && !events.error().message.starts_with("file:")) std::abort();
  if (events && !std::ranges::is_sorted(*events, {}, &twin::GridEvent::at)) std::abort();
  const auto series = twin::read_hourly_csv(text, "file", "FR");
  if (series && series->values().empty()) std::abort();
  return 0;
}
