#pragma once
#include <stop_token>
#include <string>
#include <string_view>

#include "aws/credentials.hpp"

namespace pebbles::aws {

/// A role that the bearer of a token may take, as Kubernetes gives one to a service account.
struct WebIdentity {
  std::string token_file;  ///< read at each exchange: it is replaced while we run
  std::string role_arn;
  std::string session_name;  ///< in AWS's audit log; "pebbles" when empty
};

/// Exchanges the token at STS (AssumeRoleWithWebIdentity, which is not signed): at AWS_ENDPOINT_URL_STS or
/// AWS_ENDPOINT_URL where they are set, else at the region's endpoint. Blocks for at most 5 s. Errors: as the sources.
[[nodiscard]] Result<Credentials> exchange(const WebIdentity& identity, const Environment& environment,
                                           std::string_view region, const std::stop_token& stop);

}  // namespace pebbles::aws
