#pragma once
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "aws/credentials.hpp"

/// The places where credentials may be, each asked anew by every call. Nullopt: nothing is configured there, ask the
/// next. Errors: forbidden for what is configured wrongly or refused, store_unavailable where nobody answers; with the
/// reason, which never has a secret in it. Threads: any.
namespace pebbles::aws {

using MaybeCredentials = Result<std::optional<Credentials>>;

/// AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN.
[[nodiscard]] MaybeCredentials from_environment(const Environment& environment);

/// AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN: a Kubernetes service account (EKS), exchanged at STS for a role.
/// Blocks for some seconds.
[[nodiscard]] MaybeCredentials from_web_identity(const Environment& environment, std::string_view region,
                                                 const std::stop_token& stop);

/// The profile of AWS_PROFILE in the shared files: keys, or a role with a web identity. The latter blocks.
[[nodiscard]] MaybeCredentials from_profile(const Environment& environment, std::string_view region,
                                            const std::stop_token& stop);

/// The endpoint of the container that AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI names (ECS, EKS Pod
/// Identity). Blocks for some seconds.
[[nodiscard]] MaybeCredentials from_container(const Environment& environment, const std::stop_token& stop);

/// The instance's metadata service, version 2 (EC2). Without an answer there is none: nullopt. Blocks for at most 3 s.
[[nodiscard]] MaybeCredentials from_instance(const Environment& environment, const std::stop_token& stop);

/// The first of them, in this order, that is configured. Errors: its own, or forbidden when none is.
struct FoundCredentials {
  Credentials credentials;
  std::string_view source;  ///< its name, for the log
};
[[nodiscard]] Result<FoundCredentials> find_credentials(const Environment& environment, std::string_view region,
                                                        const std::stop_token& stop);

}  // namespace pebbles::aws
