// Any file may be given as a site: it is refused with the file's name first, or whole and small enough to play.
#include <cstdlib>
#include <string_view>

#include "twin/site_config.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using millrace::twin::leaf_weights;
  using millrace::twin::parse_site;
  const auto site = parse_site({reinterpret_cast<const char*>(data), size}, "file", "/nonexistent");
  if (!site) {
    if (!site.error().message.starts_with("file:")) std::abort();
    return 0;
  }
  const bool whole = !site->leaves.empty() && !site->priority_classes.empty() &&
                     site->default_class < site->priority_classes.size() &&
                     site->node_type.size() == site->cluster.nodes.size() &&
                     site->racks.size() == site->cluster.racks.size() &&
                     site->feeds.size() == site->cluster.feeds.size() &&
                     site->sites.size() == site->cluster.sites.size() &&
                     leaf_weights(*site).size() == site->leaves.size() && site->cluster.kinds.size() <= 64;
  if (!whole) std::abort();
  return 0;
}
