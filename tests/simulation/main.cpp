#include <gtest/gtest.h>

#include <cstdlib>
#include <string_view>

#include "simulation/simulation.hpp"
#include "telemetry/telemetry.hpp"

namespace pebbles::simulation {

Wishes wishes;

}  // namespace pebbles::simulation

int main(int argc, char** argv) {
  using pebbles::simulation::wishes;
  testing::InitGoogleTest(&argc, argv);
  (void)pebbles::telemetry::start_log("off", pebbles::telemetry::LogFormat::text);
  const auto number = [](const char* text) { return std::strtoull(text, nullptr, 10); };
  if (const char* seeds = std::getenv("PEBBLES_SEEDS")) wishes.seeds = number(seeds);
  if (const char* seed = std::getenv("PEBBLES_SEED")) wishes.seed = number(seed);
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument{argv[i]};
    if (argument.starts_with("--seeds=")) wishes.seeds = number(argv[i] + 8);
    if (argument.starts_with("--seed=")) wishes.seed = number(argv[i] + 7);
  }
  return RUN_ALL_TESTS();
}
