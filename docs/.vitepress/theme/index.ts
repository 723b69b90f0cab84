// The theme without the fonts it would bundle: the pages of the server use the fonts of the system, too.
import theme from 'vitepress/theme-without-fonts';
import './style.css';

export default theme;
