#include "aws/credentials_sources.hpp"
#include "aws/settings.hpp"

namespace pebbles::aws {

MaybeCredentials from_environment(const Environment& environment) {
  Credentials out{.access_key_id = value_of(environment, "AWS_ACCESS_KEY_ID"),
                  .secret_access_key = value_of(environment, "AWS_SECRET_ACCESS_KEY"),
                  .session_token = value_of(environment, "AWS_SESSION_TOKEN")};
  if (out.access_key_id.empty() && out.secret_access_key.empty()) return std::nullopt;
  if (out.access_key_id.empty())
    return failure(Errc::forbidden, "AWS_SECRET_ACCESS_KEY is set, AWS_ACCESS_KEY_ID is not");
  if (out.secret_access_key.empty())
    return failure(Errc::forbidden, "AWS_ACCESS_KEY_ID is set, AWS_SECRET_ACCESS_KEY is not");
  return out;
}

}  // namespace pebbles::aws
