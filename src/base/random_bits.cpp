#include "base/random_bits.hpp"

#include <random>

namespace pebbles {

std::uint64_t random_bits() {
  thread_local std::mt19937_64 engine = [] {
    std::random_device device;
    std::seed_seq seed{device(), device(), device(), device(), device(), device(), device(), device()};
    return std::mt19937_64{seed};
  }();
  return engine();
}

}  // namespace pebbles
