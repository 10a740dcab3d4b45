################################################################################
#
# taskserver
#
################################################################################

TASKSERVER_VERSION = 1.1.0
TASKSERVER_SITE = https://taskwarrior.org/download
TASKSERVER_SOURCE = taskd-$(TASKSERVER_VERSION).tar.gz
# The tarball of Buildroot's package taskd.
TASKSERVER_DL_SUBDIR = taskd
TASKSERVER_LICENSE = MIT
TASKSERVER_LICENSE_FILES = COPYING
TASKSERVER_DEPENDENCIES = gnutls util-linux host-pkgconf

$(eval $(cmake-package))
