# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How to reach the cluster: the options of every door that talks to it (``_ansible/args.py``: ``AUTH_ARGS``)."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  kubeconfig:
    description:
      - Path of a kubeconfig file, or its content as a dictionary.
      - Can also be set with the environment variable E(K8S_AUTH_KUBECONFIG). Without it, and without O(host), the files
        that E(KUBECONFIG) names or C(~/.kube/config) are used, and inside a pod its service account.
      - Of an inline kubeconfig only the credentials are masked in output, so that messages can name the server.
    type: raw
  context:
    description:
      - The context of the kubeconfig to use, instead of its current one.
      - Can also be set with the environment variable E(K8S_AUTH_CONTEXT).
    type: str
  host:
    description:
      - URL of the API server. Wins over the one in the kubeconfig.
      - Can also be set with the environment variable E(K8S_AUTH_HOST).
    type: str
  api_key:
    description:
      - Bearer token.
      - Can also be set with the environment variable E(K8S_AUTH_API_KEY).
    type: str
  username:
    description:
      - User name for an API server (or a proxy before it) that takes basic authentication.
      - Can also be set with the environment variable E(K8S_AUTH_USERNAME).
    type: str
  password:
    description:
      - Password for O(username).
      - Can also be set with the environment variable E(K8S_AUTH_PASSWORD).
    type: str
  validate_certs:
    description:
      - Whether the certificate of the API server is verified. Verified unless this or the kubeconfig says otherwise.
      - Can also be set with the environment variable E(K8S_AUTH_VERIFY_SSL).
    type: bool
    aliases:
      - verify_ssl
  ca_cert:
    description:
      - Path of the CA certificates (PEM) that vouch for the API server.
      - Can also be set with the environment variable E(K8S_AUTH_SSL_CA_CERT).
    type: path
    aliases:
      - ssl_ca_cert
  client_cert:
    description:
      - Path of a client certificate (PEM).
      - Can also be set with the environment variable E(K8S_AUTH_CERT_FILE).
    type: path
    aliases:
      - cert_file
  client_key:
    description:
      - Path of the private key (PEM) of O(client_cert).
      - Can also be set with the environment variable E(K8S_AUTH_KEY_FILE).
    type: path
    aliases:
      - key_file
  proxy:
    description:
      - URL of an HTTP proxy through which the API server is reached.
      - Can also be set with the environment variable E(K8S_AUTH_PROXY).
    type: str
  no_proxy:
    description:
      - Comma-separated hosts that are reached without O(proxy).
      - Can also be set with the environment variable E(K8S_AUTH_NO_PROXY).
    type: str
  impersonate_user:
    description:
      - User to act as.
      - Can also be set with the environment variable E(K8S_AUTH_IMPERSONATE_USER).
    type: str
  impersonate_groups:
    description:
      - Groups to act as. Needs O(impersonate_user).
      - Can also be set with the environment variable E(K8S_AUTH_IMPERSONATE_GROUPS), separated by commas.
    type: list
    elements: str
requirements:
  - Python 3.11 or newer
  - kubernetes 29.0.0 or newer (Python library)
notes:
  - Runs where Python can reach the API server, usually on C(localhost). Nothing is installed in the cluster.
"""
