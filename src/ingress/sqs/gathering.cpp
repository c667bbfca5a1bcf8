#include "ingress/sqs/gathering.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace pebbles::sqs {

std::vector<Arrival> Gathering::add(std::vector<Arrival> arrivals, bool more_to_come, SteadyTime now) {
  if (gathered_.empty() && !arrivals.empty()) until_ = now + gather_for;
  std::ranges::move(arrivals, std::back_inserter(gathered_));
  return more_to_come && gathered_.size() < gathered_max && now < until_ ? std::vector<Arrival>{} : take_all();
}

std::vector<Arrival> Gathering::take_all() {
  until_ = SteadyTime::max();
  return std::exchange(gathered_, {});
}

}  // namespace pebbles::sqs
