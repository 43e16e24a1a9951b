// Input of the placement experiment: nodes and pods from two lists, and the order in which pods arrive.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "core/rng.h"
#include "scheduler/placement.h"

namespace millrace::twin {

/// Equal pods share a shape; `weight` says how many there are.
struct OpenbInput {
  std::vector<std::string> kinds;  // by KindIndex
  std::vector<scheduler::NodeState> nodes;
  std::vector<scheduler::TypicalDemand> shapes;
  std::vector<std::uint32_t> pods;  // index into shapes, in the order of the list
  std::int64_t capacity_milli = 0;  // of all accelerators
};

/// `nodes_file` and `pods_file` name the texts in errors.
Result<OpenbInput> parse_openb(std::string_view nodes, const std::string& nodes_file, std::string_view pods,
                               const std::string& pods_file);
Result<OpenbInput> read_openb(const std::string& nodes_path, const std::string& pods_path);

/// Thousandths of a device that a pod asks for in all.
std::int64_t asked_milli(const scheduler::Demand& demand);

/// Shapes in the order of arrival: the pods of the list, shuffled; then pods drawn from it at will, until the next would ask
/// for more than `inflate` x capacity (of a pod with several devices the study counts one for this). A list that asks for
/// more than that loses pods drawn at will until it does not.
std::vector<std::uint32_t> draw_arrivals(const OpenbInput& input, double inflate, Rng& rng);

/// Puts the elements in any order, each as likely as another.
template <typename T>
void shuffle(std::vector<T>& all, Rng& rng) {
  for (std::size_t i = all.size(); i > 1; --i) std::swap(all[i - 1], all[rng.next() % i]);
}

}  // namespace millrace::twin
