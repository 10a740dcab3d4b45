HOST_MKPASSWD_LICENSE = GPL-2.0+
HOST_MKPASSWD_DEPENDENCIES = host-libxcrypt

$(eval $(host-generic-package))
