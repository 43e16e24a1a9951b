#include "twin/sim/tally.h"

namespace millrace::twin {

Tally::Tally(const SiteConfig& config, VirtualTime start)
    : last_end(start),
      classes(config.priority_classes.size()),
      accounts(config.accounts.size()),
      sites(config.sites.size()),
      kinds(config.cluster.kinds.size()),
      power(start),
      power_of_site(config.sites.size() > 1 ? config.sites.size() : 0, PowerLines(start)),
      queue(start),
      running(start),
      allocated(start),
      co2e_ug(start),
      co2e_at_once_ug(start),
      co2e_oracle_ug(start) {}

}  // namespace millrace::twin
