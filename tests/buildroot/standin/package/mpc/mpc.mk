MPC_VERSION = 1.3.1
MPC_SITE = $(BR2_GNU_MIRROR)/mpc
MPC_LICENSE = LGPL-3.0+
MPC_LICENSE_FILES = COPYING.LESSER
HOST_MPC_DEPENDENCIES = host-gmp host-mpfr

$(eval $(host-autotools-package))
