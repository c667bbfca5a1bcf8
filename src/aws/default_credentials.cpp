#include "aws/cached_credentials.hpp"

namespace pebbles::aws {

std::shared_ptr<CredentialsProvider> default_credentials(Environment environment, std::string region,
                                                         RefreshOptions options) {
  static const SystemClock clock;
  auto fetch = [environment = std::move(environment), region = std::move(region)](const std::stop_token& stop) {
    return find_credentials(environment, region, stop);
  };
  return std::make_shared<CachedCredentials>(std::move(fetch), options, clock);
}

}  // namespace pebbles::aws
