NGINX_VERSION = 1.30.3
NGINX_SITE = https://nginx.org/download
NGINX_LICENSE = BSD-2-Clause
NGINX_LICENSE_FILES = LICENSE
NGINX_CPE_ID_VENDOR = f5
NGINX_DEPENDENCIES = \
	host-pkgconf \
	$(if $(BR2_PACKAGE_LIBXCRYPT),libxcrypt)

ifeq ($(BR2_PACKAGE_PCRE2),y)
NGINX_DEPENDENCIES += pcre2
endif
ifneq ($(BR2_PACKAGE_NGINX_HTTP_CACHE)$(BR2_PACKAGE_NGINX_HTTP_SSL_MODULE),)
NGINX_DEPENDENCIES += openssl
endif
ifneq ($(BR2_PACKAGE_NGINX_HTTP_V2_MODULE)$(BR2_PACKAGE_NGINX_HTTP_GZIP_MODULE),)
NGINX_DEPENDENCIES += zlib
endif

define NGINX_PERMISSIONS
	/var/lib/nginx d 755 33 33 - - - - -
endef

define NGINX_INSTALL_INIT_SYSV
	@printf '#!/bin/sh\n' > $(TARGET_DIR)/etc/init.d/S50nginx && chmod 755 $(TARGET_DIR)/etc/init.d/S50nginx
endef

$(eval $(generic-package))
